import { Command, Option } from 'commander';
import { membersOf, type Members } from '#contract/json-schema.ts';
import { isConditional, type Route } from '#contract/route.ts';
import { routes } from '#contract/routes.ts';
import { queryOf } from '#contract/sparse.ts';
import { call } from '../http/call.ts';
import { completion, shells } from './completion.ts';
import { optionOf, valueOf } from './option.ts';
import { formats, render, type Format } from './output.ts';
import { configurationFile, connect, saveConnection, type Given } from '../http/settings.ts';
import { UsageError } from '../http/usage-error.ts';
import { waitForJob } from './wait.ts';

/** How the program ends. */
export const exitCodes = {
  0: 'it is done',
  1: 'the server refused; the line says why',
  2: 'the command line is wrong; nothing was sent',
  3: 'the server could not be reached',
  4: 'the job that was waited for did not complete',
} as const;

export interface Terminal {
  /** In characters; what is no terminal has no end. */
  readonly width: number;
  readonly env: NodeJS.ProcessEnv;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** A job that was waited for did not complete. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
}

interface Globals extends Given {
  readonly output: Format;
}

const nouns: Readonly<Record<string, string>> = {
  'acme-accounts': 'who orders certificates by ACME',
  'acme-failing-names': 'names whose proofs fail, and that are paused after some',
  'acme-orders': 'what ACME accounts ordered',
  'agent-groups': 'agents by what they are, or by hand',
  agents: 'programs on hosts that make keys and deploy certificates',
  approvals: 'what waits for a second person',
  audit: 'who did what, and the chain over it',
  'audit-exports': 'audit events as files',
  auth: 'who the caller is',
  cas: 'certificate authorities',
  certs: 'managed certificates',
  channels: 'where notifications go',
  deployments: 'certificates on their way to targets',
  'discovered-certificates': 'what agents found on their hosts',
  'discovery-scans': 'where agents searched, and what they could not read',
  eab: 'external account binding keys, which invite ACME accounts',
  'enrolment-tokens': 'with which hosts become agents',
  'iam-mappings': 'AWS identities that may call, and what each may do',
  issuers: 'who signs',
  jobs: 'issuances and renewals under way',
  keys: 'API keys and their roles',
  loops: 'background loops',
  notifications: 'what was or will be told',
  owners: 'who answers for certificates',
  permissions: 'what may be granted',
  policies: 'what certificates must be like',
  profiles: 'certificate profiles',
  'renewal-policies': 'when certificates are renewed',
  revocations: 'what was revoked',
  roles: 'sets of permissions',
  stats: 'how many of what, now and day by day',
  targets: 'where agents put certificates',
  'signer-keys': 'keys elsewhere that certificate authorities may have',
  teams: 'who belongs together',
};

/**
 * The command tree: a command for each route of the contract, and the three that are about the program itself.
 *
 * @param words of the command line: groups that are not among them get no options, for to describe those of all takes longer than a command; undefined: all do
 */
export function makeProgram(terminal: Terminal, words?: readonly string[]): Command {
  const isSaid = (noun: string): boolean => words === undefined || words.includes(noun) || words.includes('completion');
  const program = new Command('certctl')
    .description('Runs a certctl platform from the command line.')
    .option('--server <url>', 'https address of the platform (CERTCTL_SERVER)')
    .option('--token-file <file>', 'file with the API key (or CERTCTL_TOKEN)')
    .option('--aws', 'sign as the AWS identity that the SDKs’ default chain finds, instead of a key')
    .option('--ca-file <file>', 'PEM file of authorities to trust besides the system’s (CERTCTL_CA_FILE)')
    .option('--connection <name>', 'saved with certctl configure (CERTCTL_CONNECTION)')
    .addOption(new Option('-o, --output <format>', 'how answers are shown').choices(formats).default('table'))
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
    .showHelpAfterError('(add --help to see what there is)')
    .addHelpText(
      'after',
      `\nExit codes:\n${Object.entries(exitCodes)
        .map(([code, text]) => `  ${code}  ${text}`)
        .join('\n')}\n\nWithout further settings the platform that npm start runs in this folder is spoken to.`,
    );
  for (const { route } of routes) {
    const path = route.command?.split(' ') ?? [];
    const [noun, verb] = path;
    if (noun === undefined) continue;
    const command = commandAt(program, path).description(route.summary);
    if (verb === undefined || isSaid(noun)) addRoute(program, command, route, terminal);
  }
  program
    .command('configure')
    .description('Saves a connection under a name, for --connection; the name default is used when none is named')
    .argument('[name]', 'name of the connection', 'default')
    .action((name: string) => {
      const { server, tokenFile, caFile, aws } = program.opts<Globals>();
      if (server === undefined) throw new UsageError('say where the server is: certctl --server https://… configure');
      const file = saveConnection(terminal.env, name, {
        server,
        ...(tokenFile !== undefined && { token_file: tokenFile }),
        ...(caFile !== undefined && { ca_file: caFile }),
        ...(aws === true && { auth: 'aws' as const }),
      });
      terminal.out(`saved ${name} in ${file}`);
    });
  program
    .command('completion')
    .description(`Prints a completion script, e.g. for bash: source <(certctl completion bash)`)
    .argument('<shell>', shells.join(', '))
    .action((shell: string) => {
      const known = shells.find((one) => one === shell);
      if (known === undefined) throw new UsageError(`${shell}: one of ${shells.join(', ')}`);
      terminal.out(completion(program, known));
    });
  program
    .command('where')
    .description('Says which platform would be spoken to, and where connections are saved')
    .action(() => {
      const { server, token, signs } = connect(program.opts<Globals>(), terminal.env);
      const key = token === undefined ? 'without a key' : `with the key ${token.slice(0, 11)}…`;
      terminal.out(`${server} ${signs === true ? 'as an AWS identity' : key}; connections: ${configurationFile(terminal.env)}`);
    });
  return program;
}

/** What a command takes, and what it does. */
function addRoute(program: Command, command: Command, route: Route, terminal: Terminal): void {
  const params = membersOf(route.params).properties;
  for (const [param, { description }] of Object.entries(params)) command.argument(`<${param}>`, description as string | undefined);
  const given = { query: membersOf(queryOf(route)), body: membersOf(route.body) };
  for (const part of [given.query, given.body])
    for (const [name, shape] of Object.entries(part.properties)) command.addOption(optionOf(name, shape, part.required.includes(name)));
  if (Object.keys(given.body.properties).length > 0)
    command.addHelpText('after', '\n@FILE instead of a value takes what is in that file, @- what comes from standard input.');
  if (isConditional(route))
    command.requiredOption('--if-match <version>', 'version that the change is made to, as it was read; any for whatever there is');
  if (route.method !== 'GET' && !['public', 'agent', 'enrolment'].includes(route.permission))
    command.option('--idempotency-key <key>', 'makes a repetition with the same key harmless, for a day');
  const makesJob = 'job' in membersOf(route.answer, 'output').properties;
  if (makesJob) command.option('--wait', 'wait until the job has ended, and say how');
  command.action(async (...all: unknown[]) => {
    const said = command.opts<Record<string, unknown>>();
    const { output, ...where } = program.opts<Globals>();
    const pick = (part: Members): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(part.properties).flatMap(([name, shape]) => {
          const value = said[camel(name)];
          return value === undefined ? [] : [[name, valueOf(shape, value)]];
        }),
      );
    const connection = connect(where, terminal.env);
    const positional = Object.fromEntries(Object.keys(params).map((name, index) => [name, all[index]]));
    const answer = await call(connection, route, {
      params: positional,
      query: pick(given.query),
      body: pick(given.body),
      ifMatch: tagOf(said['ifMatch']),
      idempotencyKey: said['idempotencyKey'] as string | undefined,
    });
    if (said['wait'] === true) {
      // What was there before the job is no news when it has ended.
      const job = await waitForJob(connection, (answer as { job: string }).job, terminal.err);
      if (job.status !== 'completed') throw new JobFailed(job.last_error ?? job.status);
      terminal.out(render(job, output, terminal.width));
      return;
    }
    terminal.out(render(answer, output, terminal.width));
  });
}

/** `3` and `any` are easier to type than `"v3"` and `*`. */
function tagOf(said: unknown): string | undefined {
  if (typeof said !== 'string') return undefined;
  return said === 'any' ? '*' : /^\d+$/.test(said) ? `"v${said}"` : said;
}

function commandAt(program: Command, [noun = '', verb]: readonly string[]): Command {
  if (verb === undefined) return program.command(noun);
  const parent = program.commands.find((one) => one.name() === noun) ?? program.command(noun).description(nouns[noun] ?? '');
  return parent.command(verb);
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
