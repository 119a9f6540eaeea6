import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import { freePort } from '#infra/local/free-port.ts';
import { deployed, ended, holds, launch, makeHome, reachable, serves, until, type Daemon } from './daemon.ts';
import { apart } from './interrupted.ts';
import { issued, serverName } from './issued.ts';
import { startWatching } from './watching-server.ts';

// Neither server is a package of Debian: what is shown here is the files' format by a strict reading of the vendors' schemas, and that the
// event which their watchers wait for comes last. Their own reading of it is shown by Envoy's wheel of PyPI, and where CERTCTL_TRAEFIK names its program
// (docs/targets/traefik.md).
const traefikProgram = process.env['CERTCTL_TRAEFIK'];
const envoyProgram = join(import.meta.dirname, '../../.build/targets/bin/envoy');

const pairSchema = z.strictObject({ certFile: z.string(), keyFile: z.string() });
const traefikSchema = z.strictObject({
  tls: z.strictObject({
    certificates: z.array(pairSchema).length(1),
    stores: z.strictObject({ default: z.strictObject({ defaultCertificate: pairSchema }) }).optional(),
  }),
});
const dataSource = z.strictObject({ inline_string: z.string() });
const envoySchema = z.strictObject({
  version_info: z.string(),
  resources: z
    .array(
      z.strictObject({
        '@type': z.literal('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'),
        name: z.literal('site'),
        tls_certificate: z.strictObject({ certificate_chain: dataSource, private_key: dataSource }),
      }),
    )
    .length(1),
});

async function startTraefik(): Promise<Daemon> {
  const home = makeHome();
  mkdirSync(join(home.path, 'tls/dynamic'));
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const dynamic = join(home.path, 'tls/dynamic/site.yml');
  const server = await startWatching(dynamic, () => {
    const { tls } = traefikSchema.parse(parse(readFileSync(dynamic, 'utf8')));
    const { certFile, keyFile } = tls.certificates[0]!;
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  });
  const verify = { host: '127.0.0.1', port: server.port, server_name: serverName, within: 20 };
  return daemonOf(
    'traefik',
    home,
    { cert_path: cert, key_path: key, dynamic_config_path: dynamic, default_certificate: true, verify },
    server,
    {
      keyFiles: [key],
      certFiles: [cert, dynamic],
    },
  );
}

/** Traefik itself, with the static configuration that its page asks for. */
async function startTraefikItself(): Promise<Daemon> {
  const home = makeHome();
  mkdirSync(join(home.path, 'tls/dynamic'));
  const port = await freePort();
  const cert = join(home.path, 'tls/site.crt');
  const key = join(home.path, 'tls/site.key');
  const dynamic = join(home.path, 'tls/dynamic/site.yml');
  const config = home.write(
    'traefik.yml',
    stringify({
      entryPoints: { websecure: { address: `127.0.0.1:${port}`, http: { tls: {} } } },
      providers: { file: { directory: join(home.path, 'tls/dynamic'), watch: true } },
      global: { checkNewVersion: false, sendAnonymousUsage: false },
    }),
  );
  const server = launch(traefikProgram ?? '', [`--configFile=${config}`]);
  await until(() => reachable(port), 'Traefik listens', server);
  const verify = { host: '127.0.0.1', port, server_name: serverName, within: 20 };
  const stop = async (): Promise<void> => {
    server.kill();
    await ended(server);
  };
  return daemonOf(
    'traefik',
    home,
    { cert_path: cert, key_path: key, dynamic_config_path: dynamic, default_certificate: true, verify },
    { stop },
    { keyFiles: [key], certFiles: [cert, dynamic] },
  );
}

async function startEnvoy(): Promise<Daemon> {
  const home = makeHome();
  const sds = join(home.path, 'tls/sds.json');
  const server = await startWatching(sds, () => {
    const { resources } = envoySchema.parse(JSON.parse(readFileSync(sds, 'utf8')));
    const { certificate_chain, private_key } = resources[0]!.tls_certificate;
    return { cert: certificate_chain.inline_string, key: private_key.inline_string };
  });
  const verify = { host: '127.0.0.1', port: server.port, server_name: serverName, within: 20 };
  return daemonOf('envoy', home, { sds_path: sds, secret_name: 'site', verify }, server, { keyFiles: [sds], certFiles: [] });
}

/** Envoy itself, which ends at once while the file is not there, so that a supervisor starts it again. */
async function startEnvoyItself(): Promise<Daemon> {
  const home = makeHome();
  const port = await freePort();
  const sds = join(home.path, 'tls/sds.json');
  const config = home.write('envoy.yml', stringify(envoyConfiguration(port, sds)));
  const supervisor = home.script(
    'supervisor.sh',
    `trap 'kill $child; wait $child; exit' TERM
while :; do ${envoyProgram} -c ${config} --use-dynamic-base-id --concurrency 1 --log-level off & child=$!; wait $child; sleep 0.2 & wait; done`,
  );
  const server = launch(supervisor, []);
  const verify = { host: '127.0.0.1', port, server_name: serverName, within: 20 };
  return daemonOf(
    'envoy',
    home,
    { sds_path: sds, secret_name: 'site', verify },
    { stop: () => ended(server) },
    { keyFiles: [sds], certFiles: [] },
  );
}

const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });

/** A listener of TLS whose certificate comes as docs/targets/envoy.md says. */
const envoyConfiguration = (port: number, sds: string): object => ({
  node: { id: 'site', cluster: 'site' },
  static_resources: {
    listeners: [
      {
        name: 'site',
        address: { socket_address: { address: '127.0.0.1', port_value: port } },
        filter_chains: [
          {
            filters: [
              {
                name: 'echo',
                typed_config: type('filters.network.echo.v3.Echo'),
              },
            ],
            transport_socket: {
              name: 'tls',
              typed_config: {
                ...type('transport_sockets.tls.v3.DownstreamTlsContext'),
                common_tls_context: {
                  tls_certificate_sds_secret_configs: [{ name: 'site', sds_config: { path_config_source: { path: sds } } }],
                },
              },
            },
          },
        ],
      },
    ],
  },
});

function daemonOf(
  targetType: string,
  home: ReturnType<typeof makeHome>,
  config: Readonly<Record<string, unknown>>,
  server: { stop(): Promise<void> },
  files: Pick<Daemon, 'keyFiles' | 'certFiles'>,
): Daemon {
  return {
    targetType,
    home: home.path,
    config,
    ...files,
    rules: home.rules,
    enableTls: async () => undefined,
    breakConfiguration: () => () => undefined,
    stop: async () => {
      await server.stop();
      await home.remove();
    },
  };
}

const servers: [string, () => Promise<Daemon>][] = [
  ['traefik', startTraefik],
  ['envoy', startEnvoy],
];
if (existsSync(envoyProgram)) servers.push(['Envoy itself', startEnvoyItself]);
if (traefikProgram !== undefined) servers.push(['Traefik itself', startTraefikItself]);

describe.each(servers)('a server that watches its files as %s does', (_name, start) => {
  const first = issued();
  let running: Daemon | undefined;
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  const started = async (): Promise<Daemon> => {
    const daemon = await start();
    running = daemon;
    expect(await deployed(daemon, first)).toMatchObject({ ok: true, backupPaths: [], verification: { verified: true } });
    return daemon;
  };
  const contents = ({ keyFiles, certFiles }: Daemon): string[] => [...keyFiles, ...certFiles].map((file) => readFileSync(file, 'utf8'));

  test('first deploy, renewal and repetition: each pair is read, the key is for nobody else', async () => {
    const daemon = await started();
    expect(statSync(daemon.keyFiles[0]!).mode & 0o777).toBe(0o600);
    expect(await deployed(daemon, first)).toMatchObject({ idempotent: true, steps: [] });
    const second = issued();
    expect(await deployed(daemon, second)).toMatchObject({ ok: true });
    expect(await serves(daemon)).toBe(second.fingerprint);
    expect(await holds(daemon)).toBe(second.fingerprint);
  });

  test('where another certificate is served the old files come back, and the watcher reads them again', async () => {
    const daemon = await started();
    const before = contents(daemon);
    const verify = { ...(daemon.config['verify'] as object), port: 1, within: 1 };
    expect(await deployed(daemon, issued(), { verify })).toMatchObject({ ok: false, failureClass: 'verify', rolledBack: true });
    expect(contents(daemon)).toEqual(before);
    await expect.poll(() => serves(daemon), { timeout: 20_000 }).toBe(first.fingerprint);
  });

  test('kill -9 after the renames: the next start looks and concludes', async () => {
    const daemon = await started();
    const second = issued();
    expect(await apart(daemon, second, { death: { step: 'verify' } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: true }]);
    expect(await serves(daemon)).toBe(second.fingerprint);
  });

  test('kill -9 among the renames: the next start brings the old files back', async () => {
    const daemon = await started();
    const before = contents(daemon);
    const index = daemon.certFiles.length;
    expect(await apart(daemon, issued(), { death: { step: 'commit', index } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, rolledBack: true }]);
    expect(contents(daemon)).toEqual(before);
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(readdirSync(join(daemon.home, 'tls')).filter((name) => name.includes('certctl'))).toEqual([]);
  });

  test('two concurrent deploys: what lies there is one of them and served', async () => {
    const daemon = await started();
    const [second, third] = [issued(), issued()];
    expect(await Promise.all([deployed(daemon, second), deployed(daemon, third)])).toMatchObject([{ ok: true }, { ok: true }]);
    const stored = await holds(daemon);
    expect([second.fingerprint, third.fingerprint]).toContain(stored);
    await expect.poll(() => serves(daemon), { timeout: 20_000 }).toBe(stored);
  });
});
