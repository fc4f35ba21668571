<?php
// What the sample says: the language and its version.
function greeting(string $language, string $version): string
{
    return "Hello from Beanpod, in $language $version\n";
}
