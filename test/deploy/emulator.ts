import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#infra/local/free-port.ts';
import { root, until } from '../platform.ts';
import type { TestAuthority } from './authority.ts';

/** Somebody else's cloud on this machine: CloudFormation, Lambda, API Gateway and the rest, with IAM and TLS enforced. */
export interface Emulator {
  readonly port: number;
  readonly endpoint: string;
  /** Everything that it and the functions printed. */
  readonly logFile: string;
  /** What a client of it needs in its environment. @param account twelve digits, each a world of its own */
  environment(account?: string): Record<string, string>;
  stop(): Promise<void>;
}

export const region = 'us-east-1';
export const mainAccount = '000000000000';
const program = join(root, '.build', 'emulator', 'bin', 'ministack');

/** @param authority signs the emulator's certificate; functions and clients trust it */
export async function startEmulator(authority: TestAuthority, folder: string): Promise<Emulator> {
  if (!existsSync(program)) throw new Error(`there is no emulator at ${program}: run npm run test:deploy, which installs it`);
  const port = await freePort();
  const logFile = join(folder, 'emulator.log');
  mkdirSync(folder, { recursive: true });
  const log = createWriteStream(logFile);
  const child = spawn(program, [], {
    cwd: folder,
    env: {
      PATH: `${join(root, 'node_modules', '.bin')}:/usr/local/bin:/usr/bin:/bin`,
      HOME: folder,
      TMPDIR: folder,
      LANG: 'C.UTF-8',
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      // Every call is signed by a role and checked against its policies, and the transport is TLS, as on AWS.
      AUTH: 'true',
      USE_SSL: 'true',
      MINISTACK_SSL_CERT: authority.certificateFile,
      MINISTACK_SSL_KEY: authority.keyFile,
      NODE_EXTRA_CA_CERTS: authority.caFile,
      SFTP_ENABLED: '0',
      IOT_MTLS_ENABLED: '0',
      PERSIST_STATE: '0',
      LAMBDA_EXECUTOR: 'local',
      DOCKER_HOST: 'unix:///nonexistent',
      NODE_OPTIONS: '--no-experimental-require-module',
      // One process in Python plays DynamoDB for everybody: it answers later than a table does.
      LIMITER_TRY_MS: '2000',
      LIMITER_TOTAL_MS: '5000',
      STORE_TRY_MS: '10000',
      // CDK's own handlers leave the SDK to the runtime.
      NODE_PATH: join(root, 'node_modules'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const endpoint = `https://127.0.0.1:${port}`;
  await until('the emulator listens', () => listens(child, endpoint), 60);
  return {
    port,
    endpoint,
    logFile,
    environment: (account = mainAccount) => ({
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: account,
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CA_BUNDLE: authority.caFile,
      NODE_EXTRA_CA_CERTS: authority.caFile,
    }),
    stop: () => end(child),
  };
}

async function listens(child: ChildProcess, endpoint: string): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`the emulator ended with ${child.exitCode}`);
  try {
    await fetch(`${endpoint}/_ministack/health`);
    return true;
  } catch (error) {
    // Whoever answers with a certificate listens; this process need not trust it.
    const code = ((error as Error).cause as { code?: string } | undefined)?.code;
    return code !== undefined && /CERT|SIGNATURE|ISSUER/.test(code) ? true : undefined;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}
