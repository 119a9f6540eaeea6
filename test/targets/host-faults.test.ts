import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, globSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { judge, served, type AgentProcess, type StartOptions } from '../lifecycle/agent-host.ts';
import { has } from '../interop/tool.ts';
import { makeSite, type Site } from '../lifecycle/site.ts';
import { api, runLoop, until } from '../platform.ts';
import { nginxHost, type NginxHost } from './nginx-host.ts';

// What is waited for is waited for patiently: 60 s and more each.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const isRoot = process.getuid?.() === 0;
const [libfaketime] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');

let nginx: NginxHost;
let site: Site;
let agent: AgentProcess | undefined;
let watching: ReturnType<typeof judge>;
let before: Record<string, unknown>;
beforeAll(async () => {
  nginx = await nginxHost();
  site = await makeSite({ server: nginx });
});
afterAll(() => site.stop());
beforeEach(async () => {
  before = await site.deployed();
  watching = judge(nginx, site.platform.ca);
});
// Whatever happened to the host, nobody who came to the site was turned away, and in the end the new certificate is there.
afterEach(async () => {
  await agent?.end('SIGTERM');
  await watching.stop();
  expect(watching.failures).toEqual([]);
});

const start = async (options?: StartOptions): Promise<void> => {
  agent = await site.host.start(options);
};
/** What the platform says is wrong. */
const said = (what: RegExp): Promise<string> =>
  until(`the platform says ${what}`, async () => {
    const error = String((await site.get())['last_error']);
    return what.test(error) ? error : undefined;
  });
const servesStill = async (): Promise<void> => expect((await served(nginx, site.platform.ca)).serial).toBe(before['serial']);
const endsRight = async (): Promise<void> => {
  await site.retriesDue();
  const { serial } = await site.deployed(before['serial']);
  // nginx’s former workers take connections too, until a tenth of a second after the new ones began.
  await until('everybody is served the new certificate', async () =>
    (await served(nginx, site.platform.ca)).serial === serial ? true : undefined,
  );
};
const agentSeen = async (): Promise<Record<string, unknown>> =>
  (await api(site.platform, 'GET', `/api/v1/agents/${site.host.agentId()}`)).json();

test('given a configuration that nginx’s own check refuses, nothing is reloaded, the platform says why, and the repair is enough', async () => {
  const repair = nginx.breakConfiguration();
  await start();
  await site.renewalDue();
  expect(await said(/^validate: /)).toContain('no_such_directive');
  await servesStill();
  repair();
  await endsRight();
});

test('given a reload that fails once, the old pair is back, the platform says so, and the next attempt is right', async () => {
  nginx.failReloads(1);
  await start();
  await site.renewalDue();
  expect(await said(/^reload: /)).toContain('the reload is made to fail');
  await servesStill();
  await endsRight();
});

test('given a reload that fails on the way back too, a human is called, and is obeyed', async () => {
  nginx.failReloads(2);
  await start();
  await site.renewalDue();
  await said(/^rollback_failed: .*reload.*rolling back failed/s);
  await servesStill();
  const { items } = (await api(site.platform, 'GET', `/api/v1/deployments?certificate=${site.certificate}&limit=1`)).json() as {
    items: readonly Record<string, unknown>[];
  };
  // It waits for a person, and says where the old files are.
  expect(items[0]).toMatchObject({ status: 'failed', failure_class: 'rollback_failed' });
  expect(await agentSeen()).toMatchObject({ status: 'degraded', status_reason: 'deployment_failed' });
  expect((await api(site.platform, 'POST', `/api/v1/certificates/${site.certificate}/deploy`, {})).status).toBe(202);
  await endsRight();
  expect(await agentSeen()).toMatchObject({ status: 'online' });
});

test('given a key that is another’s in nginx’s place, the next renewal puts a pair there', async () => {
  // nginx has read the right one, and is not told.
  execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', nginx.keyPath], {
    stdio: 'ignore',
  });
  await servesStill();
  await start();
  await site.renewalDue();
  await endsRight();
});

test('given a key that the host lost before its certificate came, the platform asks for another by itself', async () => {
  await start();
  const handedIn = agent!.line((line) => line['message'] === 'job' && line['type'] === 'csr');
  await site.renewalDue();
  await handedIn;
  agent!.process.kill('SIGKILL');
  await agent!.end('SIGKILL');
  const folder = join(site.host.stateDir, 'keys', site.certificate);
  const [young] = readdirSync(folder).filter((name) => name.startsWith('job-') && name.endsWith('.key'));
  copyFileSync(join(folder, 'current.key'), join(folder, young!));
  await until('it is signed', async () => ((await site.get())['serial'] === before['serial'] ? undefined : true));
  before = await site.get();
  await start();
  await said(/^key_mismatch: /);
  await runLoop(site.platform, 'renewalCheck');
  await endsRight();
});

describe.skipIf(!isRoot)('with what only root can take away', () => {
  /** Folder → what was in it, on a disk of its own so small that it can be filled. */
  const smallDisk = (folder: string): { fill(): () => void; remove(): void } => {
    mkdirSync(folder, { recursive: true });
    const kept = `${folder}.kept`;
    execFileSync('cp', ['-a', folder, kept]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0755', 'tmpfs', folder]);
    execFileSync('cp', ['-a', `${kept}/.`, folder]);
    return {
      fill() {
        const file = join(folder, 'filler');
        const to = openSync(file, 'w');
        const block = Buffer.alloc(4096);
        try {
          for (;;) writeSync(to, block);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        } finally {
          closeSync(to);
        }
        return () => rmSync(file);
      },
      remove() {
        const held = `${folder}.held`;
        execFileSync('cp', ['-a', folder, held]);
        execFileSync('umount', [folder]);
        execFileSync('cp', ['-a', `${held}/.`, folder]);
        for (const one of [held, kept]) rmSync(one, { recursive: true });
      },
    };
  };

  /** A renewal while nothing can be written, and after. */
  const outlastsFullDisk = async (folder: string, heard: () => Promise<unknown>): Promise<void> => {
    const disk = smallDisk(folder);
    try {
      await start();
      const empty = disk.fill();
      await site.renewalDue();
      await heard();
      await servesStill();
      empty();
      await endsRight();
    } finally {
      await agent?.end('SIGTERM');
      disk.remove();
    }
  };

  test('given a disk of nginx’s files that is full, nothing of the old pair is lost, the platform says so, and space is enough', async () => {
    await outlastsFullDisk(nginx.files, async () => expect(await said(/^write: /)).toContain('ENOSPC'));
  });

  test('given a disk of the agent’s own that is full, the platform hears of it all the same, and space is enough', async () => {
    await outlastsFullDisk(site.host.stateDir, () => said(/no key or CSR could be made: ENOSPC/));
  });

  test('given a folder that the agent may not write any more, the platform says so, and the permission is enough', async () => {
    // Root without what lets root pass over permissions.
    await start({ under: ['setpriv', '--bounding-set', '-dac_override', '--inh-caps', '-dac_override'] });
    chmodSync(nginx.files, 0o555);
    try {
      await site.renewalDue();
      expect(await said(/^write: /)).toContain('EACCES');
      await servesStill();
    } finally {
      chmodSync(nginx.files, 0o755);
    }
    await endsRight();
  });
});

describe.skipIf(!has('faketime') || libfaketime === undefined)('with a clock that is ten minutes off', () => {
  const startAt = (offset: string): Promise<void> =>
    start({ env: { LD_PRELOAD: libfaketime ?? '', FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' } });
  const rightAgain = async (): Promise<void> => {
    await agent!.end('SIGTERM');
    await start();
    await until('the platform says nothing of it any more', async () => (await agentSeen())['status'] === 'online' || undefined);
  };

  test('early, certificates are renewed all the same, and the platform says which host’s clock a human must set', async () => {
    await startAt('+600');
    await until('the platform says it', async () => {
      const { status, status_reason, clock_skew_seconds } = await agentSeen();
      return (status === 'degraded' && status_reason === 'clock_skew' && clock_skew_seconds === 600) || undefined;
    });
    await site.renewalDue();
    await endsRight();
    await rightAgain();
  });

  // The platform of this test is minutes old.
  test('late, an agent trusts no platform whose certificate is younger than that, says so, and goes on when the clock is set', async () => {
    await startAt('-600');
    await site.renewalDue();
    const heard = await until('it says so', () => agent!.lines().find(({ message }) => message === 'poll failed'));
    expect(heard['error']).toMatch(/certificate is not valid yet; is the clock late\?$/);
    await servesStill();
    await rightAgain();
    await endsRight();
  });
});
