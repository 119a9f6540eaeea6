import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { api, until, type Platform } from '../platform.ts';
import { agentFlags, buildAgent, buildAgentExecutable } from '../../clients/agent/build.ts';
import type { HostServer } from './host-server.ts';
import { makeToken } from './signed-agent.ts';

/** A host with a TLS server and the agent program. */
export interface AgentHost {
  readonly folder: string;
  readonly stateDir: string;
  readonly server: HostServer;
  agentId(): string;
  /** Starts the agent; resolves when it runs. */
  start(options?: StartOptions): Promise<AgentProcess>;
  /** Runs the program to its end. */
  program(...args: readonly string[]): { readonly code: number; readonly out: string };
  enrol(platform: Platform, name: string): Promise<void>;
  /** A target for the server. */
  target(platform: Platform, name: string, more?: object): Promise<string>;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A program and its arguments that runs the agent. */
  readonly under?: readonly string[];
}

export interface AgentProcess {
  readonly process: ChildProcess;
  /** Its log, one object a line. */
  lines(): readonly Record<string, unknown>[];
  /** Waits for a line of the log that was written after the call. */
  line(what: (line: Record<string, unknown>) => boolean, seconds?: number): Promise<Record<string, unknown>>;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** @param without `node`: the host has none, and the agent is one executable */
export async function agentHost(server: HostServer, without?: 'node'): Promise<AgentHost> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-agent-'));
  const stateDir = join(folder, 'state');
  // As it is installed: one file.
  const file = join(folder, without === 'node' ? 'certctl-agent' : 'certctl-agent.mjs');
  await (without === 'node' ? buildAgentExecutable(file) : buildAgent(file));
  const program = without === 'node' ? [file] : [process.execPath, ...agentFlags, file];
  const env = { ...process.env, ...(without === 'node' && { PATH: '/nowhere' }) };
  const config = join(folder, 'config.yaml');
  const agents: ChildProcess[] = [];
  let id = '';
  const run = (...words: readonly string[]): { code: number; out: string } => {
    const [command, ...args] = [...program, ...words, '--config', config];
    try {
      return { code: 0, out: execFileSync(command, args, { env, encoding: 'utf8', stdio: 'pipe' }) };
    } catch (error) {
      const { status, stderr, stdout } = error as { status: number; stderr: string; stdout: string };
      return { code: status, out: stdout + stderr };
    }
  };
  return {
    folder,
    stateDir,
    server,
    agentId: () => id,
    program: run,
    async enrol(platform, name) {
      writeFileSync(join(folder, 'ca.pem'), platform.ca);
      const settings = {
        server: platform.url,
        ca_file: join(folder, 'ca.pem'),
        name,
        state_dir: stateDir,
        allowed_paths: server.allowedPaths,
        allowed_commands: server.allowedCommands,
        log_level: 'debug',
      };
      // JSON is YAML.
      writeFileSync(config, JSON.stringify(settings));
      writeFileSync(join(folder, 'token'), (await makeToken(platform)).token);
      const { code, out } = run('enrol', '--token-file', join(folder, 'token'));
      if (code !== 0) throw new Error(out);
      id = /as (agent-[0-9a-f]+)/.exec(out)?.[1] ?? '';
    },
    async target(platform, name, more = {}) {
      const answer = await api(platform, 'POST', '/api/v1/targets', {
        name,
        type: server.type,
        agent: id,
        config: { ...server.config, ...more },
      });
      if (answer.status !== 201) throw new Error(answer.text);
      return answer.json()['id'] as string;
    },
    async start({ env: more, under = [] } = {}) {
      const [command, ...args] = [...server.under, ...under, ...program, 'run', '--config', config];
      const child = spawn(command, args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
      agents.push(child);
      const seen: Record<string, unknown>[] = [];
      let rest = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        seen.push(...parts.map((text) => JSON.parse(text) as Record<string, unknown>));
      });
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
      const agent: AgentProcess = {
        process: child,
        lines: () => seen,
        line(what, seconds = 60) {
          const from = seen.length;
          return until('the agent says it', () => seen.slice(from).find(what), seconds);
        },
        end(signal) {
          child.kill(signal);
          return ended;
        },
      };
      await until('the agent runs', () => seen.find(({ message }) => message === 'agent'));
      return agent;
    },
    async stop() {
      for (const child of agents) child.kill('SIGKILL');
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Seen = Pick<HostServer, 'address' | 'port' | 'name'>;

/** What a server serves, if it is what a CA vouches for. @param ca PEM */
export function served(
  { address, port, name }: Seen,
  ca: string,
): Promise<{ readonly serial: string; readonly publicKey: string; readonly validTo: string }> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: address, port, servername: name, ca, timeout: 5000 }, () => {
      const { serialNumber, pubkey, valid_to } = socket.getPeerCertificate();
      socket.destroy();
      resolve({
        // As the platform writes it.
        serial: serialNumber.toLowerCase().replace(/^0+/, ''),
        publicKey: (pubkey ?? Buffer.alloc(0)).toString('base64'),
        validTo: valid_to,
      });
    });
    socket.on('error', reject);
    socket.on('timeout', () => socket.destroy(new Error('no answer in time')));
  });
}

/** Opens a verified connection again and again, and remembers every failure and every serial. */
export function judge(
  server: Seen,
  ca: string,
  everyMs = 50,
): { readonly failures: string[]; readonly serials: Set<string>; stop(): Promise<void> } {
  const failures: string[] = [];
  const serials = new Set<string>();
  let over = false;
  const isOver = (): boolean => over;
  const looking = (async () => {
    while (!isOver()) {
      await served(server, ca)
        .then(({ serial }) => serials.add(serial))
        .catch((error: unknown) => failures.push((error as Error).message));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    failures,
    serials,
    async stop() {
      over = true;
      await looking;
    },
  };
}
