import { createSocket } from 'node:dgram';
import packet from 'dns-packet';

export type ZoneRecord =
  | { readonly type: 'TXT'; readonly data: string }
  | { readonly type: 'CNAME' | 'A' | 'AAAA'; readonly data: string }
  | { readonly type: 'CAA'; readonly data: { readonly tag: string; readonly value: string; readonly issuerCritical?: boolean } };

/** A name server whose records a test changes as it goes; what has none does not exist. */
export interface Zone {
  /** For --dns-resolver. */
  readonly address: string;
  readonly records: Map<string, readonly ZoneRecord[]>;
  /** Names that are answered with SERVFAIL. */
  readonly broken: Set<string>;
  /** `TYPE name`, in order. */
  readonly asked: string[];
  stop(): void;
}

export interface ZoneOptions {
  readonly listen?: string;
  /** 0: a free one. */
  readonly port?: number;
  /** IPv4; every name exists and has it. */
  readonly everyName?: string;
}

export async function startZone({ listen = '127.0.0.1', port = 0, everyName }: ZoneOptions = {}): Promise<Zone> {
  const records = new Map<string, readonly ZoneRecord[]>();
  const broken = new Set<string>();
  const asked: string[] = [];
  const socket = createSocket('udp4', (message, from) => {
    const query = packet.decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    asked.push(`${question.type} ${name}`);
    const found = records.get(name) ?? (everyName === undefined ? undefined : [{ type: 'A', data: everyName } as const]);
    const answers = (found ?? [])
      .filter((record) => record.type === question.type || record.type === 'CNAME')
      .map((record) => ({ ...record, name: question.name, ttl: 0 }) as packet.Answer);
    const rcode = broken.has(name) ? 2 : found === undefined ? 3 : 0;
    const flags = packet.RECURSION_AVAILABLE | rcode;
    const reply = packet.encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers });
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, listen, resolve);
  });
  return { address: `${listen}:${socket.address().port}`, records, broken, asked, stop: () => socket.close() };
}
