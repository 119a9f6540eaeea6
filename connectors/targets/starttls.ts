import type net from 'node:net';
import { TargetFailure } from './failure.ts';

export const startTlsProtocols = ['smtp', 'imap', 'pop3', 'ldap', 'postgres'] as const;
export type StartTlsProtocol = (typeof startTlsProtocols)[number];

type Verdict = 'more' | 'go on' | 'refused';

/** What is said, if anything, and how the answer to it is judged, whenever there is more of it. */
interface Exchange {
  readonly send?: string | Buffer;
  readonly judge: (answer: Buffer) => Verdict;
}

const refusal = /^([45]\d\d |a (NO|BAD)|-ERR|\* BYE)/m;

/** A server may send several lines before the one that ends its answer. */
const line =
  (expected: RegExp): Exchange['judge'] =>
  (answer) => {
    const text = answer.toString('latin1');
    if (!text.endsWith('\n')) return 'more';
    if (expected.test(text)) return 'go on';
    return refusal.test(text) ? 'refused' : 'more';
  };

/** One letter, and nothing behind it: what came in the clear must not pass for what came by TLS. */
function sslAnswer(answer: Buffer): Verdict {
  if (answer.length === 0) return 'more';
  return answer.length === 1 && answer[0] === 0x53 ? 'go on' : 'refused';
}

// LDAPMessage { messageID 1, ExtendedRequest { requestName 1.3.6.1.4.1.1466.20037 } }
const ldapStartTls = Buffer.from('301d02010177188016312e332e362e312e342e312e313436362e3230303337', 'hex');

/** LDAPMessage with an ExtendedResponse whose resultCode is success; Active Directory writes its lengths longer than DER would. */
function extendedResponse(answer: Buffer): Verdict {
  const message = element(answer, 0);
  if (message === 'more') return 'more';
  if (message?.tag !== 0x30 || message.end !== answer.length) return 'refused';
  const id = element(answer, message.start);
  const operation = id === undefined || id === 'more' ? undefined : element(answer, id.end);
  if (operation === undefined || operation === 'more' || operation.tag !== 0x78) return 'refused';
  const code = element(answer, operation.start);
  return code !== undefined && code !== 'more' && code.tag === 0x0a && code.end === code.start + 1 && answer[code.start] === 0
    ? 'go on'
    : 'refused';
}

/** Tag and bounds of a BER element; undefined where there cannot be one. */
function element(bytes: Buffer, at: number): { readonly tag: number; readonly start: number; readonly end: number } | 'more' | undefined {
  if (at + 2 > bytes.length) return 'more';
  const [tag = 0, first = 0] = bytes.subarray(at, at + 2);
  const octets = first < 0x80 ? 0 : first - 0x80;
  if (octets > 4 || first === 0x80) return undefined;
  const start = at + 2 + octets;
  if (start > bytes.length) return 'more';
  const end = start + (octets === 0 ? first : bytes.readUIntBE(at + 2, octets));
  return end > bytes.length ? 'more' : { tag, start, end };
}

const dialogues: Readonly<Record<StartTlsProtocol, readonly Exchange[]>> = {
  // RFC 3207 §4
  smtp: [
    { judge: line(/^220 .*$/m) },
    { send: 'EHLO localhost\r\n', judge: line(/^250 .*$/m) },
    { send: 'STARTTLS\r\n', judge: line(/^220 .*$/m) },
  ],
  // RFC 3501 §6.2.1
  imap: [{ judge: line(/^\* OK .*$/m) }, { send: 'a STARTTLS\r\n', judge: line(/^a OK.*$/m) }],
  // RFC 2595 §4
  pop3: [{ judge: line(/^\+OK.*$/m) }, { send: 'STLS\r\n', judge: line(/^\+OK.*$/m) }],
  // RFC 4511 §4.14
  ldap: [{ send: ldapStartTls, judge: extendedResponse }],
  // PostgreSQL, Frontend/Backend Protocol: SSLRequest
  postgres: [{ send: Buffer.from('0000000804d2162f', 'hex'), judge: sslAnswer }],
};

const maxAnswerLength = 16_384;

/**
 * Brings a fresh connection to the point where the TLS handshake begins.
 *
 * @throws {TargetFailure} `verify`
 */
export async function startTls(socket: net.Socket, protocol: StartTlsProtocol): Promise<void> {
  for (const { send, judge } of dialogues[protocol]) {
    if (send !== undefined) socket.write(send);
    await answer(socket, judge, protocol);
  }
}

function answer(socket: net.Socket, judge: Exchange['judge'], protocol: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const settle = (failure?: string): void => {
      socket.off('data', onData).off('error', onEnd).off('close', onEnd);
      socket.pause();
      if (failure === undefined) resolve();
      else reject(new TargetFailure('verify', failure));
    };
    const onEnd = (): void => settle(`the server ended the ${protocol} dialogue before TLS`);
    const onData = (chunk: Buffer): void => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length > maxAnswerLength) {
        settle(`the server's ${protocol} answer is too long`);
        return;
      }
      const verdict = judge(heard);
      if (verdict === 'go on') settle();
      else if (verdict === 'refused') settle(`the server refuses STARTTLS over ${protocol}`);
    };
    socket.on('data', onData).on('error', onEnd).on('close', onEnd);
    socket.resume();
  });
}
