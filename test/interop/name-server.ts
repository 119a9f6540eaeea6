import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packet from 'dns-packet';

/** A name server whose TXT records are the lines of files named for them, so that any client's hook can write them. */
export interface NameServer {
  readonly address: string;
  readonly folder: string;
  stop(): void;
}

export async function startNameServer(): Promise<NameServer> {
  const folder = mkdtempSync(join(tmpdir(), 'zone-'));
  const socket = createSocket('udp4', (message, from) => {
    const query = packet.decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const file = join(folder, question.name.toLowerCase());
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : undefined;
    const answers =
      question.type === 'TXT' ? (lines ?? []).map((data) => ({ type: 'TXT' as const, name: question.name, ttl: 0, data })) : [];
    const rcode = lines === undefined ? 3 : 0;
    const flags = packet.RECURSION_AVAILABLE | packet.AUTHORITATIVE_ANSWER | rcode;
    socket.send(
      packet.encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers }),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    folder,
    stop() {
      socket.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
