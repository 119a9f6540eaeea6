import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { heartbeat } from '#contract/agent-protocol.ts';
import { ApiProblem } from '../http/problem.ts';
import { UsageError } from '../http/usage-error.ts';
import { enrol } from './enrol.ts';
import { agentVersion, hostFacts } from './host-facts.ts';
import { readIdentity, type Identity } from './identity.ts';
import { jsonLog } from './log.ts';
import { connectPlatform } from './platform.ts';
import { run } from './run.ts';
import { defaultConfigFile, readSettings, type AgentSettings } from './settings.ts';
import { takeFolder } from './sole.ts';

const help = `certctl-agent ${agentVersion}: makes keys on this host, has them certified, and puts certificates where its servers read them.

  certctl-agent enrol --server https://… --ca-file ca.pem --token-file token
  certctl-agent run
  certctl-agent status

Options
  --config <file>      settings (CERTCTL_AGENT_CONFIG; ${defaultConfigFile})
  --server <url>       https address of the platform (CERTCTL_SERVER_URL)
  --ca-file <file>     PEM of the authority that the platform proves itself by (CERTCTL_SERVER_CA_BUNDLE_PATH)
  --name <name>        of the agent (CERTCTL_AGENT_NAME; the host's)
  --state-dir <dir>    identity, keys, journal (CERTCTL_STATE_DIR; /var/lib/certctl-agent)
  --token-file <file>  enrolment token, or CERTCTL_ENROLMENT_TOKEN
  --again              enrol: also where there is an identity
  --log-level <level>  debug, info, warn, error (CERTCTL_LOG_LEVEL)

Exit codes: 0 it is done, or the agent was retired; 1 refused; 2 the command line or the settings are wrong; 3 the platform does not answer.`;

const options = {
  config: { type: 'string' },
  server: { type: 'string' },
  'ca-file': { type: 'string' },
  name: { type: 'string' },
  'state-dir': { type: 'string' },
  'token-file': { type: 'string' },
  'log-level': { type: 'string' },
  again: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = readLine();
  const [command] = positionals;
  if (values.version === true) return say(agentVersion);
  if (values.help === true || command === undefined) return say(help);
  const { again, help: _, version: __, ...given } = values;
  const settings = readSettings(given, process.env);
  switch (command) {
    case 'enrol': {
      const token =
        values['token-file'] === undefined ? process.env['CERTCTL_ENROLMENT_TOKEN'] : readFileSync(values['token-file'], 'utf8').trim();
      if (token === undefined) throw new UsageError('give the enrolment token with --token-file or CERTCTL_ENROLMENT_TOKEN');
      const { agent_id, name } = await enrol(settings, token, again === true);
      return say(`enrolled ${name} as ${agent_id}; certctl-agent run starts it`);
    }
    case 'run':
      return life(settings, await identityOf(settings));
    case 'status':
      return status(await identityOf(settings));
    default:
      throw new UsageError(`${command}: enrol, run or status`);
  }
}

function readLine() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

async function identityOf(settings: AgentSettings): Promise<Identity> {
  const identity = await readIdentity(settings.state_dir);
  if (identity === undefined)
    throw new UsageError(`this host is no agent yet: there is no ${settings.state_dir}/identity.json; certctl-agent enrol makes it one`);
  return identity;
}

async function life(settings: AgentSettings, identity: Identity): Promise<number> {
  const log = jsonLog(settings.log_level);
  const giveFree = await takeFolder(settings.state_dir);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  log.info('agent', { version: agentVersion, id: identity.agent_id, name: identity.name, server: identity.server });
  log.info('ended', { why: await run(settings, identity, log, stop.signal) });
  await giveFree();
  return 0;
}

async function status(identity: Identity): Promise<number> {
  const platform = connectPlatform({ server: identity.server, ca: identity.ca, keyId: identity.agent_id, key: identity.key });
  try {
    await platform.call(heartbeat, { params: { id: identity.agent_id }, body: hostFacts(null) });
    const skew = Math.round(platform.clockOffset() / 1000);
    return say(
      `${identity.name} (${identity.agent_id}) is known at ${identity.server}${skew === 0 ? '' : `; the clock is off by ${-skew} s`}`,
    );
  } finally {
    platform.close();
  }
}

function say(text: string): number {
  console.log(text);
  return 0;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(`certctl-agent: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? 2 : error instanceof ApiProblem && error.status === 0 ? 3 : 1;
  },
);
