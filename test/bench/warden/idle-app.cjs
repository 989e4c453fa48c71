// A service that nobody asks anything.
require('node:http').createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
