import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { signingClient } from '#adapters/kms/client.ts';
import { describeKmsKey } from '#adapters/kms/kms-signer.ts';
import { acmeAdministration } from '#adapters/postgres/acme-administration.ts';
import { approvals } from '#adapters/postgres/approvals.ts';
import { authorityAdministration } from '#adapters/postgres/authority-administration.ts';
import { authoritySuccession } from '#adapters/postgres/authority-succession.ts';
import { authorityUpdate } from '#adapters/postgres/authority-update.ts';
import { compromiseStore } from '#adapters/postgres/compromise.ts';
import { crossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import { eabKeyAdministration } from '#adapters/postgres/eab-keys.ts';
import { failingNameAdministration } from '#adapters/postgres/failing-names.ts';
import { authoritySource } from '#adapters/postgres/authority-source.ts';
import { issuerStore } from '#adapters/postgres/issuers.ts';
import { policyRules } from '#adapters/postgres/policies.ts';
import { replaceProfile } from '#adapters/postgres/profile-administration.ts';
import { renewalPolicyRecords } from '#adapters/postgres/renewal-policies.ts';
import { revocationLookUp } from '#adapters/postgres/revocation-list.ts';
import { signerKeyStore } from '#adapters/postgres/signer-keys.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { newId } from '../shared/new-id.ts';
import type { Shared } from './connected.ts';
import { mirrorProfile } from './mirror-profile.ts';
import type { Area } from './router.ts';

/** Who signs, under which profiles and policies, and for which ACME accounts. */
export function authorityAreas({ settings, database, dynamodb, sealed, wake, now, hintJob, profiles, tell }: Shared): readonly Area[] {
  const approvalStore = approvals(database, replaceProfile);
  const mirror = profileMirror(dynamodb, settings.STATE_TABLE);
  const mirrorOf = (profile: Profile): Promise<void> => mirrorProfile({ store: profiles, mirror }, profile);
  return [
    {
      under: ['profiles'],
      load: async () =>
        (await import('./profiles.ts')).profileOperations({
          store: profiles,
          mirror,
          publicBaseUrl: settings.PUBLIC_BASE_URL,
          wake,
          now,
          askApproval: async (proposed, baseVersion, actor) => {
            await wake('jobTimeout');
            return (await approvalStore.askProfileEdit(newId('ar'), proposed, baseVersion, actor)).id;
          },
        }),
    },
    {
      under: ['approvals'],
      load: async () =>
        (await import('./approvals.ts')).approvalOperations({
          store: approvalStore,
          wake,
          hint: hintJob,
          tell,
          mirror: mirrorOf,
        }),
    },
    {
      under: ['renewal-policies'],
      load: async () =>
        (await import('./renewal-policies.ts')).renewalPolicyOperations({ store: renewalPolicyRecords(database), newId, wake }),
    },
    {
      under: ['policies', 'policy-violations'],
      load: async () => (await import('./policies.ts')).policyOperations({ store: policyRules(database), newId }),
    },
    {
      under: ['acme'],
      load: async () =>
        (await import('./acme.ts')).acmeOperations({
          store: acmeAdministration(database),
          failingNames: failingNameAdministration(database),
        }),
    },
    {
      under: ['revocations'],
      load: async () => (await import('./revocations.ts')).revocationOperations({ store: revocationLookUp(database) }),
    },
    {
      under: ['certificate-authorities'],
      load: async () =>
        (await import('./cross-certificates.ts')).crossCertificateOperations({ store: crossCertificateStore(database), chance }),
    },
    {
      under: ['intermediates', 'issuers'],
      load: async () =>
        (await import('./intermediates.ts')).intermediateOperations({
          store: { ...authorityAdministration(database, settings.PKI_BASE_URL), ...authorityUpdate(database, settings.PKI_BASE_URL) },
          compromises: compromiseStore(database),
          keys: signerKeyStore(database),
          envelope: sealed,
          authority: authorities(authoritySource(database), sealed),
          chance,
          newId,
          pkiBaseUrl: settings.PKI_BASE_URL,
          wake,
          hint: hintJob,
          succession: authoritySuccession(database, settings.PKI_BASE_URL),
          moved: async (ids) => {
            for (const id of ids) {
              const profile = await profiles.profile(id);
              if (profile !== undefined) await mirrorOf(profile);
            }
          },
        }),
    },
    {
      under: ['signer-keys'],
      load: async () =>
        (await import('./signer-keys.ts')).signerKeyOperations({
          keys: signerKeyStore(database),
          envelope: sealed,
          describe: (arn) => describeKmsKey(signingClient(), arn),
          newId,
        }),
    },
    {
      under: ['eab-keys'],
      load: async () =>
        (await import('./eab-keys.ts')).eabKeyOperations({ store: eabKeyAdministration(database), envelope: sealed, chance }),
    },
    {
      under: ['issuers'],
      load: async () => (await import('./issuers.ts')).issuerOperations({ store: issuerStore(database), newId, wake }),
    },
  ];
}
