import { Agent } from 'node:https';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateKeyCommand, DisableKeyCommand, KMSClient, ScheduleKeyDeletionCommand, type KeySpec } from '@aws-sdk/client-kms';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeKmsKey, kmsSigner } from '#adapters/kms/kms-signer.ts';
import { assertSigned } from '#domain/x509/path/signature.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';
import { testAuthority, type TestAuthority } from './authority.ts';
import { mainAccount, region, startEmulator, type Emulator } from './emulator.ts';

const folder = mkdtempSync(join(tmpdir(), 'kms-signer-'));
let authority: TestAuthority;
let emulator: Emulator;
let client: KMSClient;
beforeAll(async () => {
  authority = testAuthority({ dns: ['localhost'], ip: ['127.0.0.1'] });
  emulator = await startEmulator(authority, folder);
  client = new KMSClient({
    endpoint: emulator.endpoint,
    region,
    credentials: { accessKeyId: mainAccount, secretAccessKey: 'test' },
    requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ ca: authority.ca }) }),
  });
});
afterAll(async () => {
  await emulator.stop();
  authority.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function made(spec: KeySpec): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: 'SIGN_VERIFY' }));
  return KeyMetadata?.Arn ?? '';
}

const tbs = Buffer.from('what is to be signed');

describe('a CA key in KMS, through the real client', () => {
  test.each(['ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'RSA_2048', 'RSA_3072', 'RSA_4096'] as const)(
    '%s is described, and signs what verifies under its public key',
    async (spec) => {
      const signer = kmsSigner(client, await describeKmsKey(client, await made(spec)));
      assertSigned(signer.publicKeySpki, algorithmIdentifier[signer.algorithm], tbs, await signer.sign(tbs));
    },
  );

  test('a disabled key and one that is about to be deleted sign nothing, and say when to look again', async () => {
    for (const end of [
      (KeyId: string) => client.send(new DisableKeyCommand({ KeyId })),
      (KeyId: string) => client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 30 })),
    ]) {
      const arn = await made('ECC_NIST_P256');
      const signer = kmsSigner(client, await describeKmsKey(client, arn));
      await end(arn);
      await expect(signer.sign(tbs)).rejects.toMatchObject({ code: 'unavailable', retryAfter: 300 });
    }
  });

  test('a key that is not there is refused', async () => {
    await expect(
      describeKmsKey(client, 'arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000'),
    ).rejects.toMatchObject({ code: 'internal' });
  });
});
