import { appendFileSync, existsSync, renameSync, statSync } from 'node:fs';

const maxBytes = 50 * 1024 * 1024;

/** Appends to a file and starts a new one when it is large; one old one is kept. */
export function logFile(path: string): (text: string) => void {
  let size = existsSync(path) ? statSync(path).size : 0;
  return (text) => {
    if (size > maxBytes) {
      renameSync(path, `${path}.1`);
      size = 0;
    }
    appendFileSync(path, text, { mode: 0o600 });
    size += Buffer.byteLength(text);
  };
}
