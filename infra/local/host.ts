import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { synthesize } from './assembly.ts';
import { dynamodb } from './cloud/dynamodb/service.ts';
import { openTables } from './cloud/dynamodb/store.ts';
import { listen } from './cloud/endpoint.ts';
import { kms } from './cloud/kms.ts';
import { s3 } from './cloud/s3.ts';
import { sqs } from './cloud/sqs.ts';
import { startCopies, type Copies } from './copies.ts';
import { environmentOfAll } from './environment.ts';
import { everyRouteAnswers } from './every-route-answers.ts';
import { firstSchema } from './first-schema.ts';
import { freePort, holdPort, refusalOf } from './free-port.ts';
import { giveAccessKeys } from './give-access-keys.ts';
import { copyProgram } from './copy-program.ts';
import { customResources } from './custom-resource.ts';
import { temporaryFront } from './front-certificate.ts';
import { orderFront } from './front-order.ts';
import { renewAt, storedFront, storeFront } from './front.ts';
import { openHome, readRecord, writeRecord, type Home, type HomeRecord } from './home.ts';
import { logFile } from './log-file.ts';
import type { Options } from './options.ts';
import { plan, type Plan } from './plan.ts';
import { startPostgres } from './postgres.ts';
import { startScheduler } from './scheduler.ts';
import { UsageError } from './usage-error.ts';

/** A platform that is up. */
export interface Host {
  readonly url: string;
  readonly pkiUrl: string;
  readonly home: Home;
  readonly copies: Copies;
  /** AWS identities may call. */
  readonly iamCallers: boolean;
  stop(): Promise<void>;
}

type Say = (line: string) => void;
const root = join(import.meta.dirname, '..', '..');

/**
 * Plays the deployed template on this machine.
 *
 * @param say gets one line per step
 * @throws {UsageError} for what the person at the keyboard can mend
 */
export async function startHost(options: Options, say: Say): Promise<Host> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return await start(options, say, cleanups, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: Options, say: Say, cleanups: (() => void | Promise<void>)[], stop: () => Promise<void>): Promise<Host> {
  const home = openHome(options);
  cleanups.push(() => home.release());
  const before = readRecord(home);
  const hold = async (port: number): Promise<() => Promise<void>> => {
    const release = await holdPort(port);
    cleanups.push(release);
    return release;
  };
  const httpPort = await choosePort(chosenHttpPort(options, before), '--http-port');
  const releaseHttp = await hold(httpPort);
  const port = await choosePort(options.port, '--port');
  const releaseFront = await hold(port);
  const log = logFile(join(home.log, 'platform.log'));

  const synthesizing = synthesize(root, options.config).then((assembly) => {
    if (assembly.synthesized) say('synthesized the CDK app');
    return assembly;
  });
  const front = storedFront(home.keys, Date.now());
  const firstFront = front ?? temporaryFront(Date.now());
  synthesizing.catch(() => undefined);
  say(home.isNew ? 'making the database' : 'starting the database');
  const elsewhere = databaseElsewhere(home.path);
  if (options.ephemeral) cleanups.push(() => rmSync(dirname(elsewhere), { recursive: true, force: true }));
  const endpointPort = await freePort();
  const releaseEndpoint = await hold(endpointPort);
  const endpoint = `http://127.0.0.1:${endpointPort}`;
  const postgres = await startPostgres(before?.database ?? join(home.path, 'postgres'), elsewhere, log, {
    schema: async () => firstSchema(await synthesizing, environmentOfAll(options, endpoint), log),
  });
  cleanups.push(() => postgres.stop());
  let record: HomeRecord = {
    ...before,
    httpPort,
    ...(postgres.dataFolder !== join(home.path, 'postgres') && { database: postgres.dataFolder }),
  };
  if (record.database !== undefined) say(`the database is in ${record.database}, because its user cannot enter ${home.path}`);
  if (!home.isNew || !options.ephemeral) writeRecord(home, record);

  const url = `https://localhost:${port}`;
  const pkiUrl = `http://localhost:${httpPort}`;
  const plans = plan(await synthesizing, {
    publicBaseUrl: url,
    pkiHost: `localhost:${httpPort}`,
    socketFolder: postgres.socketFolder,
    endpoint,
  });
  say('starting the cloud');
  await releaseEndpoint();
  const cloud = await startCloud(plans, home, endpointPort, cleanups);

  say(`starting ${options.copies === 1 ? 'the functions' : `${options.copies} copies of the functions`}`);
  const accessKeys = plans.routes.some(({ iam }) => iam) ? giveAccessKeys(home) : undefined;
  const copies = await startCopies(
    copyProgram(root),
    options.copies,
    {
      type: 'start',
      functions: plans.functions,
      routes: plans.routes,
      environment: environmentOfAll(options, endpoint),
      port,
      httpPort,
      front: firstFront,
      ...(accessKeys && { accessKeys: accessKeys.toString('base64') }),
    },
    log,
  );
  cloud.copies = copies;
  cleanups.push(() => copies.stop());
  await releaseHttp();
  await releaseFront();

  for (const resource of plans.customResources) {
    const last = record.applied?.[resource.logicalId];
    if (last !== undefined && JSON.stringify(last) === JSON.stringify(resource.properties)) continue;
    say(last === undefined ? 'creating the schema, the CA and the profiles' : 'updating the schema');
    await cloud.resources.apply(resource, last);
    record = { ...record, applied: { ...record.applied, [resource.logicalId]: resource.properties } };
  }
  writeRecord(home, record);
  await writeAnchorAndToken(home, plans, copies);

  if (front === undefined) {
    say('ordering the certificate of the HTTPS front from our own CA');
    await renewFront(url, home, copies, firstFront.chain);
  }
  const scheduler = startScheduler(plans.schedules, {
    reserved: (name) => plans.functions.find((fn) => fn.name === name)?.reserved,
    invoke: (name, payload) => copies.invoke(name, payload),
    failed: (name, error) =>
      log(`${JSON.stringify({ level: 'ERROR', function: name, message: 'the tick failed', error: String(error) })}\n`),
  });
  cleanups.push(() => scheduler.stop());
  const renewal = setInterval(() => void renewWhenDue(url, home, copies, log), 3_600_000);
  cleanups.push(() => clearInterval(renewal));
  await everyRouteAnswers(url, pkiUrl, readFileSync(home.caFile, 'utf8'));
  // What a crash left behind is repaired at once, not at the next full minute; those who wait for the first answer come first. Before a first
  // start nothing was left: there the minute that a schedule of EventBridge takes suffices.
  if (before !== undefined) for (const schedule of plans.schedules) void scheduler.start(schedule);
  writeFileSync(
    join(home.state, 'instance.json'),
    JSON.stringify({
      pid: process.pid,
      url,
      pkiUrl,
      socketFolder: postgres.socketFolder,
      endpoint,
      copies: copies.pids,
      postgres: postgres.pid,
      functions: Object.fromEntries(plans.functions.map((fn) => [fn.environment['CERTCTL_FUNCTION'] ?? fn.name, fn.name])),
      tables: plans.tables.map((table) => table.name),
      queues: plans.queues.map((queue) => queue.url),
    }),
    {
      mode: 0o600,
    },
  );
  return { url, pkiUrl, home, copies, iamCallers: accessKeys !== undefined, stop };
}

function chosenHttpPort(options: Options, before: HomeRecord | undefined): number {
  if (before === undefined) return options.httpPort ?? 8080;
  if (options.httpPort === undefined || options.httpPort === 0 || options.httpPort === before.httpPort) return before.httpPort;
  throw new UsageError(
    `the certificates of this home name http://localhost:${before.httpPort} for CRL and OCSP, so --http-port cannot become ${options.httpPort}; use another --home`,
  );
}

/** A folder of our own that PostgreSQL's user can enter, one per home. */
function databaseElsewhere(home: string): string {
  return join('/var/lib/certctl', createHash('sha256').update(home).digest('hex').slice(0, 16), 'postgres');
}

async function startCloud(plans: Plan, home: Home, port: number, cleanups: (() => void | Promise<void>)[]) {
  const cloud: { copies?: Copies; resources: ReturnType<typeof customResources> } = {
    resources: customResources(
      () => `http://127.0.0.1:${port}`,
      (name, payload) => invoke(name, payload),
    ),
  };
  const byReference = new Map(plans.functions.flatMap((fn) => [[fn.name, fn.name] as const, [fn.arn, fn.name] as const]));
  const invoke = async (reference: string, payload: string): Promise<{ payload: string; error?: string }> => {
    const name = byReference.get(reference);
    if (name === undefined || cloud.copies === undefined) throw new Error(`there is no function ${reference}`);
    return cloud.copies.invoke(name, payload);
  };
  const tables = openTables(plans.tables, join(home.state, 'dynamodb.log'));
  const sweep = setInterval(() => tables.expire(Math.floor(Date.now() / 1000)), 60_000);
  const queues = sqs(plans.queues, plans.sources, async (name, event) => {
    const result = await invoke(name, JSON.stringify(event));
    if (result.error !== undefined) throw new Error(result.payload);
    return JSON.parse(result.payload) as unknown;
  });
  const endpoint = await listen(
    {
      dynamodb: dynamodb(tables),
      kms: kms(home.keys, plans.keys),
      sqs: (operation, input) => queues.handle(operation, input),
      s3: s3(home.objects, plans.buckets),
      invoke: async (name, payload, asynchronous) => {
        const result = invoke(name, payload.toString('utf8'));
        if (asynchronous) {
          result.catch(() => undefined);
          return { payload: Buffer.alloc(0) };
        }
        const { payload: answer, error } = await result;
        return { payload: Buffer.from(answer), ...(error !== undefined && { error }) };
      },
      answered: (token, body) => cloud.resources.answered(token, body),
    },
    port,
  );
  cleanups.push(async () => {
    clearInterval(sweep);
    queues.stop();
    await endpoint.close();
    tables.close();
  });
  return cloud;
}

async function writeAnchorAndToken(home: Home, plans: Plan, copies: Copies): Promise<void> {
  const migrate = plans.customResources[0]?.functionName ?? '';
  const ask = async (action: string): Promise<Record<string, string | null>> => {
    const { payload, error } = await copies.invoke(migrate, JSON.stringify({ action }));
    if (error !== undefined) throw new Error(`${action}: ${payload}`);
    return JSON.parse(payload) as Record<string, string | null>;
  };
  if (!existsSync(home.caFile)) writeFileSync(home.caFile, (await ask('trust-anchor'))['pem'] ?? '', { mode: 0o644 });
  if (existsSync(home.tokenFile)) return;
  const { token } = await ask('admin-token');
  if (token === null || token === undefined)
    throw new UsageError(`the admin token was shown before and ${home.tokenFile} is gone; the home cannot be administered any more`);
  writeFileSync(home.tokenFile, `${token}\n`, { mode: 0o600 });
}

async function renewFront(url: string, home: Home, copies: Copies, trust: string): Promise<void> {
  const token = readFileSync(home.tokenFile, 'utf8').trim();
  const front = await orderFront({ url, token, trust });
  storeFront(home.keys, front);
  copies.setFront(front);
}

async function renewWhenDue(url: string, home: Home, copies: Copies, log: (text: string) => void): Promise<void> {
  const front = storedFront(home.keys, Date.now());
  if (front !== undefined && Date.now() < renewAt(front)) return;
  try {
    await renewFront(url, home, copies, readFileSync(home.caFile, 'utf8'));
  } catch (error) {
    log(`${JSON.stringify({ level: 'ERROR', message: 'the certificate of the front was not renewed', error: String(error) })}\n`);
  }
}

async function choosePort(wanted: number, flag: string): Promise<number> {
  if (wanted === 0) return freePort();
  const refusal = await refusalOf(wanted);
  if (refusal === undefined) return wanted;
  throw new UsageError(
    refusal.code === 'EADDRINUSE'
      ? `port ${wanted} is in use; choose another with ${flag}`
      : `port ${wanted} cannot be used (${refusal.code ?? ''}); choose another with ${flag}`,
  );
}
