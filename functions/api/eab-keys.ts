import { createEabKey, disableEabKey, enableEabKey, getEabKey, listEabKeys, type EabKeyBody } from '#contract/eab-keys.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import type { EabKeyAdministration, EabKeyRecord } from '#adapters/postgres/eab-keys.ts';
import { reaches, type Reach } from '#domain/access/grant.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { newId } from '#domain/id.ts';
import { serve, serveList, type Served } from './router.ts';

export interface EabKeyPorts {
  readonly store: EabKeyAdministration;
  readonly envelope: Envelope;
  readonly chance: Chance;
}

/** The operations of `contract/eab-keys.ts`. */
export function eabKeyOperations(ports: EabKeyPorts): readonly Served[] {
  const existing = async (id: string, reach: Reach): Promise<EabKeyRecord> => {
    const key = await ports.store.get(id);
    if (key === undefined || !reaches(reach, { profile: key.profileId })) throw new CaError('notFound', 'no such key');
    return key;
  };
  const set = async (id: string, enabled: boolean, actor: string, reach: Reach): Promise<EabKeyBody> => {
    if (reach !== 'all') await existing(id, reach);
    const key = await ports.store.setEnabled(id, enabled, actor);
    if (key === undefined) throw new CaError('notFound', 'no such key');
    return show(key);
  };
  return [
    serveList(listEabKeys, ({ query: { profile }, page, reach }) => ports.store.list(page, { profile, reach }), show),
    serve(getEabKey, async ({ params, reach }) => show(await existing(params.key_id, reach))),
    serve(createEabKey, async ({ body, caller, reach }) => {
      if (!reaches(reach, { profile: body.profile }))
        throw new CaError('unauthorized', 'the permission acme.eab.edit does not reach this profile');
      const id = newId('eab', ports.chance.now(), ports.chance.random(10));
      const hmacKey = newHmacKey(ports.chance);
      const key = await ports.store.create({
        id,
        profileId: body.profile,
        description: body.description,
        sealedHmac: await ports.envelope.seal(hmacKey, `eab:${id}`),
        allowedNames: body.allowed_names ?? undefined,
        maxUses: body.max_uses,
        expiresAt: body.expires_at === null ? undefined : new Date(body.expires_at),
        actor: caller?.id ?? '',
      });
      return { ...show(key), hmac_key: Buffer.from(hmacKey).toString('base64url') };
    }),
    serve(disableEabKey, ({ params, caller, reach }) => set(params.key_id, false, caller?.id ?? '', reach)),
    serve(enableEabKey, ({ params, caller, reach }) => set(params.key_id, true, caller?.id ?? '', reach)),
  ];
}

/** 256 bits whose text does not begin with a hyphen: command lines take that for an option. */
function newHmacKey(chance: Chance): Uint8Array {
  for (;;) {
    const key = chance.random(32);
    if (!Buffer.from(key).toString('base64url').startsWith('-')) return key;
  }
}

function show(key: EabKeyRecord): EabKeyBody {
  return {
    key_id: key.id,
    profile: key.profileId,
    description: key.description,
    allowed_names: key.allowedNames === undefined ? null : [...key.allowedNames],
    max_uses: key.maxUses,
    uses: key.uses,
    expires_at: key.expiresAt?.toISOString() ?? null,
    disabled_at: key.disabledAt?.toISOString() ?? null,
    created_by: key.createdBy,
    created_at: key.createdAt.toISOString(),
  };
}
