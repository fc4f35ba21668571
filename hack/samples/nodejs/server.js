// The sample application of the platform nodejs. Its dependency is a folder of its own, so that npm needs no network.
const http = require('node:http');
const greeting = require('greeting');

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(request.url === '/healthz' ? 'ok\n' : greeting('Node.js', process.versions.node));
});
server.listen(Number(process.env.PORT || 8080));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
