/**
 * How a server of several processes listens on a port that they have together, each with a socket of its own; undefined where the kernel does not share
 * out, and Node refuses. It lies here because the program of a copy is built anew when its folder changes.
 */
export const sharedPort = process.platform === 'linux' ? { reusePort: true, exclusive: true } : undefined;
