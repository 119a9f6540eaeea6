import { createHash } from 'node:crypto';
import { assertCsrIsOrdered } from '../agent/csr-order.ts';
import type { AgentKeyAlgorithm } from '../agent/key-algorithm.ts';
import type { ConnectorAnswer, ConnectorCall } from '../connector/call.ts';
import { CaError } from '../error.ts';
import type { ClaimedJob } from '../job/job.ts';
import { parseCsr } from '../x509/csr.ts';
import type { Managed } from './managed-issuance.ts';

/**
 * Has the connector make a key for a job, and keeps its seal with the CSR before anything is signed. An attempt after this one finds the CSR in the job; a key whose
 * seal was not kept certifies nothing.
 *
 * @returns DER; undefined: the lease is lost
 * @throws {CaError} `badCsr` when the connector's CSR is not what was asked for, `unavailable`
 */
export async function makeConnectorKey(
  ports: {
    readonly ask: (call: ConnectorCall) => Promise<ConnectorAnswer>;
    readonly keep: (
      job: ClaimedJob,
      key: { readonly id: string; readonly sealed: Uint8Array; readonly spkiSha256: Uint8Array; readonly csr: Uint8Array },
    ) => Promise<boolean>;
    readonly newId: (prefix: string) => string;
  },
  job: ClaimedJob,
  { commonName, names, keyAlgorithm, profile }: Managed,
): Promise<Uint8Array | undefined> {
  if (keyAlgorithm === undefined) throw new CaError('internal', 'the certificate says no kind of key');
  const id = ports.newId('key');
  const algorithm = keyAlgorithm as AgentKeyAlgorithm;
  const sans = names.map(({ type, value }) => ({ type: type as 'dns', value }));
  const answer = await ports.ask({
    kind: 'make-key',
    keyId: id,
    algorithm,
    commonName: commonName ?? null,
    names: sans,
    mustStaple: profile.mustStaple,
  });
  if (!('sealedKey' in answer)) throw new CaError('unavailable', 'the connector made no key');
  const csr = parseCsr(Buffer.from(answer.csr, 'base64'));
  assertCsrIsOrdered(csr, { commonName, sans: names, keyAlgorithm: algorithm, profile });
  const key = {
    id,
    sealed: Buffer.from(answer.sealedKey, 'base64'),
    spkiSha256: createHash('sha256').update(csr.publicKey.spki).digest(),
    csr: csr.der,
  };
  return (await ports.keep(job, key)) ? csr.der : undefined;
}
