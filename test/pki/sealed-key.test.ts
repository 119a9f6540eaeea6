import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { envelope, type Envelope } from '#adapters/kms/envelope.ts';
import { createSigner, openSigner, resealSigner } from '#adapters/kms/sealed-signer.ts';
import { mlDsaKinds } from '#domain/x509/key-algorithm.ts';
import { assertSigned } from '#domain/x509/path/signature.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';
import { startKeyService, type KeyService } from '../fakes/key-service.ts';

let service: KeyService;
let sealing: Envelope;
beforeAll(async () => {
  service = await startKeyService();
  vi.stubEnv('AWS_ENDPOINT_URL_KMS', service.url);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  sealing = envelope('arn:aws:kms:us-east-1:000000000000:key/envelope');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await service.stop();
});

const message = Buffer.from('what is to be signed');

test.each(['ECDSA-P384', 'RSA-2048', ...mlDsaKinds] as const)(
  'a sealed key of %s signs where it was sealed for, and nowhere else until it is sealed for there',
  async (algorithm) => {
    const { signer, sealed } = await createSigner(sealing, 'ca-key:one', algorithm);
    const opened = await openSigner(sealing, sealed, 'ca-key:one');
    assertSigned(signer.publicKeySpki, algorithmIdentifier[opened.algorithm], message, await opened.sign(message));
    await expect(openSigner(sealing, sealed, 'ca-key:two')).rejects.toMatchObject({ code: 'internal' });
    const moved = await resealSigner(sealing, sealed, 'ca-key:one', 'ca-key:two');
    const elsewhere = await openSigner(sealing, moved, 'ca-key:two');
    expect(Buffer.from(elsewhere.publicKeySpki).equals(signer.publicKeySpki)).toBe(true);
  },
);
