"""What the sample says."""


def greeting(language, version):
    """Name the language and its version."""
    return f"Hello from Beanpod, in {language} {version}\n"
