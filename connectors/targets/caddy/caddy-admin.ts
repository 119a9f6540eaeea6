import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { Change, Target } from '../change.ts';
import { verifySchema } from '../endpoint.ts';
import { TargetFailure, safeDetail } from '../failure.ts';
import { writeNewFile } from '../file-set.ts';
import { firstFingerprint, type Material } from '../material.ts';
import { askAdmin, type AdminAnswer } from './admin-api.ts';

/** The certificate as an element of `apps.tls.certificates.load_pem`, known by its `@id`. */
export const caddyAdminConfig = z.strictObject({
  mode: z.literal('api'),
  /** Keys go nowhere but to this machine. */
  admin: z
    .string()
    .regex(/^(http:\/\/(localhost|127\.0\.0\.1|\[::1\]):\d{1,5}|unix:\/[A-Za-z0-9._/-]+)$/)
    .default('http://localhost:2019'),
  /** `@id` of the element; one for each target. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  verify: verifySchema,
});

type Config = z.infer<typeof caddyAdminConfig>;

const elementSchema = z.looseObject({ certificate: z.string(), key: z.string() });
type Element = z.infer<typeof elementSchema>;

// The element that is there holds a private key, which the journal must not: it lies in a file of its own until the end.
const recordSchema = z.object({ snapshot: z.string(), oldSha256: z.string().nullable(), newSha256: z.string() });
type CaddyRecord = z.infer<typeof recordSchema>;

const list = '/config/apps/tls/certificates/load_pem';
const tries = 3;

/** Caddy by its admin API: the configuration changes at once or, when Caddy refuses it, not at all. */
export const caddyAdmin: Target<Config> = {
  config: caddyAdminConfig,
  demands: (config) => ({ paths: [], commands: [], addresses: [config.admin] }),
  verify: (config) => config.verify,
  begin: async (config, material, rules) => {
    const { element } = await current(config);
    const record = {
      snapshot: join(rules.stateDir, 'snapshots', createHash('sha256').update(`${config.admin} ${config.id}`).digest('hex')),
      oldSha256: element === undefined ? null : sha256Of(element),
      newSha256: sha256Of({ certificate: material.leafPem + material.chainPem }),
    };
    return change(config, record, element, material);
  },
  resume: async (config, record) => change(config, recordSchema.parse(record)),
  probe: async (config) => {
    const { status } = await askAdmin(config.admin, 'GET', '/config/apps');
    if (status !== 200) throw new TargetFailure('connector', `the admin API of Caddy answers with status ${status}`);
  },
  stored: async (config) => {
    const { element } = await current(config);
    return element && firstFingerprint(element.certificate);
  },
};

function change(config: Config, record: CaddyRecord, old?: Element, material?: Material): Change {
  const forget = async (): Promise<void> => rm(record.snapshot, { force: true });
  return {
    record,
    replaces: record.oldSha256 !== null,
    backups: async () => [],
    holds: async () => {
      const { element } = await current(config);
      return element !== undefined && sha256Of(element) === record.newSha256;
    },
    stage: async () => {
      await forget();
      if (old !== undefined) await saveSnapshot(record.snapshot, old);
    },
    checkStaged: async () => undefined,
    commit: async () => {
      if (material === undefined) throw new TargetFailure('write', 'there is nothing to put there');
      await put(config, {
        '@id': config.id,
        certificate: material.leafPem + material.chainPem,
        key: material.keyPem,
        tags: [`certctl:${config.id}`],
      });
    },
    check: async () => undefined,
    reload: async () => undefined,
    restore: async () => {
      const { element, etag } = await current(config);
      const present = element === undefined ? null : sha256Of(element);
      if (present === record.oldSha256) return forget();
      if (present !== null && present !== record.newSha256)
        throw new TargetFailure('rollback_failed', 'somebody else has changed the certificate in Caddy meanwhile');
      if (record.oldSha256 === null) accepted(await askAdmin(config.admin, 'DELETE', `/id/${config.id}`, { ifMatch: etag }));
      else await put(config, elementSchema.parse(JSON.parse(await readFile(record.snapshot, 'utf8'))));
      await forget();
    },
    discard: forget,
    settle: forget,
  };
}

async function saveSnapshot(path: string, element: Element): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeNewFile(path, Buffer.from(JSON.stringify(element)), { mode: 0o600 });
}

async function current({ admin, id }: Config): Promise<{ readonly element: Element | undefined; readonly etag: string | undefined }> {
  const { status, body, etag } = await askAdmin(admin, 'GET', `/id/${id}`);
  if (status === 404 || (status === 200 && body === null)) return { element: undefined, etag: undefined };
  const parsed = elementSchema.safeParse(body);
  if (status !== 200 || !parsed.success) throw new TargetFailure('connector', `the admin API of Caddy answers with status ${status}`);
  return { element: parsed.data, etag };
}

/** Replaces the element or adds it, each time on the condition that nobody was faster (If-Match). */
async function put(config: Config, element: Element): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await putOnce(config, element);
    if (answer.status === 412 && attempt < tries) continue;
    accepted(answer);
    return;
  }
}

async function putOnce(config: Config, element: Element): Promise<AdminAnswer> {
  const { element: present, etag } = await current(config);
  if (present !== undefined) return askAdmin(config.admin, 'PATCH', `/id/${config.id}`, { body: element, ifMatch: etag });
  const { status, body, etag: listEtag } = await askAdmin(config.admin, 'GET', list);
  // Only PUT makes the objects on the way.
  if (status !== 200 || body === null) return askAdmin(config.admin, 'PUT', list, { body: [element] });
  return askAdmin(config.admin, 'POST', list, { body: element, ifMatch: listEtag });
}

function accepted({ status, body }: AdminAnswer): void {
  if (status === 200) return;
  const { data } = z.object({ error: z.string() }).safeParse(body);
  throw new TargetFailure('validate', `Caddy refuses the change with status ${status}: ${safeDetail(data?.error ?? '').slice(0, 500)}`);
}

function sha256Of({ certificate }: { readonly certificate: string }): string {
  return createHash('sha256').update(certificate).digest('hex');
}
