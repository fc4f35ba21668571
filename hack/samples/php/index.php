<?php
// The sample application of the platform php.
require __DIR__ . '/src/greeting.php';

header('Content-Type: text/plain; charset=utf-8');
echo parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/healthz' ? "ok\n" : greeting('PHP', PHP_VERSION);
