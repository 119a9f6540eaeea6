import { createHash } from 'node:crypto';
import { createCrossCertificate, listCrossCertificates, type CrossCertificateBody } from '#contract/cross-certificates.ts';
import type { CrossCertificateRecord, CrossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { newId } from '#domain/id.ts';
import { checkCrossCertificate } from '#domain/issuance/cross-certificate.ts';
import { certificatesOfPem, pemChain } from '#domain/x509/pem.ts';
import { serve, type Served } from './router.ts';

/** The operations of `contract/cross-certificates.ts`. */
export function crossCertificateOperations(ports: { readonly store: CrossCertificateStore; readonly chance: Chance }): readonly Served[] {
  const authority = async (caId: string): Promise<Uint8Array> => {
    const certificate = await ports.store.authority(caId);
    if (certificate === undefined) throw new CaError('notFound', 'no such certificate authority');
    return certificate;
  };
  return [
    serve(listCrossCertificates, async ({ params }) => {
      await authority(params.ca_id);
      return { items: (await ports.store.list(params.ca_id)).map(show) };
    }),
    serve(createCrossCertificate, async ({ params, body, caller }) => {
      const own = await authority(params.ca_id);
      const certificates = certificatesOfPem(body.chain_pem);
      const notAfter = checkCrossCertificate(certificates, own, ports.chance.now());
      return show(
        await ports.store.create({
          id: newId('cross', ports.chance.now(), ports.chance.random(10)),
          caId: params.ca_id,
          certificates,
          fingerprint: createHash('sha256').update(Buffer.concat(certificates)).digest(),
          notAfter,
          createdBy: caller?.id ?? '',
        }),
      );
    }),
  ];
}

function show(record: CrossCertificateRecord): CrossCertificateBody {
  return {
    id: record.id,
    ca_id: record.caId,
    chain_pem: pemChain(record.certificates),
    not_after: record.notAfter.toISOString(),
    created_by: record.createdBy,
    created_at: record.createdAt.toISOString(),
  };
}
