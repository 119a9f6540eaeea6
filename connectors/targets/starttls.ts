import type net from 'node:net';
import { TargetFailure } from './failure.ts';

export type StartTlsProtocol = 'smtp' | 'imap' | 'pop3';

interface Dialogue {
  /** What ends an answer; a server may send several lines before it. */
  readonly greeting: RegExp;
  readonly exchanges: readonly { readonly send: string; readonly expect: RegExp }[];
}

const dialogues: Readonly<Record<StartTlsProtocol, Dialogue>> = {
  // RFC 3207 §4
  smtp: {
    greeting: /^220 .*$/m,
    exchanges: [
      { send: 'EHLO localhost\r\n', expect: /^250 .*$/m },
      { send: 'STARTTLS\r\n', expect: /^220 .*$/m },
    ],
  },
  // RFC 3501 §6.2.1
  imap: { greeting: /^\* OK .*$/m, exchanges: [{ send: 'a STARTTLS\r\n', expect: /^a OK.*$/m }] },
  // RFC 2595 §4
  pop3: { greeting: /^\+OK.*$/m, exchanges: [{ send: 'STLS\r\n', expect: /^\+OK.*$/m }] },
};

const maxAnswerLength = 16_384;

/**
 * Brings a fresh connection to the point where the TLS handshake begins.
 *
 * @throws {TargetFailure} `verify`
 */
export async function startTls(socket: net.Socket, protocol: StartTlsProtocol): Promise<void> {
  const { greeting, exchanges } = dialogues[protocol];
  await answer(socket, greeting, protocol);
  for (const { send, expect } of exchanges) {
    socket.write(send);
    await answer(socket, expect, protocol);
  }
}

function answer(socket: net.Socket, expected: RegExp, protocol: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const settle = (failure?: string): void => {
      socket.off('data', onData).off('error', onEnd).off('close', onEnd);
      socket.pause();
      if (failure === undefined) resolve();
      else reject(new TargetFailure('verify', failure));
    };
    const onEnd = (): void => settle(`the server ended the ${protocol} dialogue before TLS`);
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (text.length > maxAnswerLength) settle(`the server's ${protocol} answer is too long`);
      else if (text.endsWith('\n') && expected.test(text)) settle();
      else if (text.endsWith('\n') && /^([45]\d\d |a (NO|BAD)|-ERR|\* BYE)/m.test(text))
        settle(`the server refuses STARTTLS over ${protocol}`);
    };
    socket.on('data', onData).on('error', onEnd).on('close', onEnd);
    socket.resume();
  });
}
