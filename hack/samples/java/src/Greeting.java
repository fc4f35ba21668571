/** What the sample says. */
final class Greeting {
    private Greeting() {
    }

    /** Names the language and its version. */
    static String of(String language, String version) {
        return "Hello from Beanpod, in " + language + " " + version + "\n";
    }
}
