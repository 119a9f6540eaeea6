// Loaded into a platform by NODE_OPTIONS: whoever would listen on FRONT_PORT of loopback listens on that port of 127.0.0.2, so that something else can stand
// at localhost, where the platform says that it is. Linux answers on all of 127/8.
import net from 'node:net';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const [options] = args;
  const isFront = typeof options === 'object' && options !== null && String(options.port) === process.env.FRONT_PORT;
  if (!isFront) return listen.apply(this, args);
  const host = options.host === '::1' ? '127.0.0.3' : '127.0.0.2';
  return listen.call(this, { ...options, host }, ...args.slice(1));
};
