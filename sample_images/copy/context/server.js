require('http').createServer((_, answer) => answer.end('shop\n')).listen(process.env.PORT)
