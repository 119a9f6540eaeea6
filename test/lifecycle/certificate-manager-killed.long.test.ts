import { afterAll, beforeAll, expect, test } from 'vitest';
import { invoke } from '../cloud.ts';
import { startCertificateManager, type AcmBehaviour, type CertificateManagerService } from '../fakes/certificate-manager.ts';
import { childrenOf } from '../process-tree.ts';
import { rowsOf, until, type Platform } from '../platform.ts';
import { order } from './agent-jobs.ts';
import { region } from '../other-settings.ts';
import { acmTarget, deploymentsOf, fingerprintOf, ofTarget, platformWithAcm, sealsOf } from './connector-targets.ts';

const behaviour: AcmBehaviour = {};
let acm: CertificateManagerService;
let platform: Platform;
beforeAll(async () => {
  acm = await startCertificateManager(behaviour, region);
  platform = await platformWithAcm(acm);
});
afterAll(async () => {
  await platform.stop();
  await acm.stop();
});

/** Every function ends without a word; the platform starts new ones. */
const kill = (): void => {
  for (const pid of childrenOf(platform.instance.pid)) if (pid !== platform.instance.postgres) process.kill(pid, 'SIGKILL');
};
/** As if the time of every wait had come. */
const later = async (): Promise<void> => {
  await rowsOf(platform, `UPDATE jobs SET run_at = now() - interval '1 minute', hinted_at = NULL WHERE status = 'pending'`);
  await invoke(platform, 'loop-job-processor', { loop: 'jobProcessor', run: `test-${Math.random()}` }).catch(() => undefined);
};

// A first deployment looks for an earlier import, imports, and reads it back (two requests); the others are as many more as a change might add.
test.each(['ListCertificates', 'ImportCertificate', 'ImportCertificate answered', 'GetCertificate', 'DescribeCertificate'])(
  'given that all functions are killed at %s, there is one certificate in the end, and no key is left',
  async (moment) => {
    const name = moment.toLowerCase().replaceAll(' ', '-');
    let kills = 0;
    const once = async (): Promise<void> => {
      kills += 1;
      if (kills > 1) return;
      kill();
      // Nobody is there any more to hear an answer.
      await new Promise(() => undefined);
    };
    if (moment === 'ImportCertificate answered') behaviour.beforeImportAnswer = once;
    else behaviour.before = (operation) => (operation === moment ? once() : Promise.resolve());
    const target = await acmTarget(platform, name);
    const { id } = await order(platform, name, [target]);
    await until('it was killed', () => (kills > 0 ? true : undefined));
    // As if the lease of who died had ended: once, for whoever comes next has one of its own.
    await rowsOf(platform, `UPDATE jobs SET lease_expires_at = now() - interval '1 second' WHERE status = 'running'`);
    await until('it is deployed', async () => {
      await later();
      return (await deploymentsOf(platform, id)).some(({ status }) => status === 'completed') ? true : undefined;
    });
    behaviour.before = undefined;
    behaviour.beforeImportAnswer = undefined;
    const [at, ...others] = ofTarget(acm, target);
    expect(others).toEqual([]);
    const [version] = await rowsOf<{ fingerprint: string }>(
      platform,
      `SELECT encode(fingerprint, 'hex') AS fingerprint FROM certificates WHERE managed_id = $1`,
      [id],
    );
    expect(fingerprintOf(at!.leaf)).toBe(version?.fingerprint);
    expect(at!.imports).toBe(1);
    expect(await sealsOf(platform, id)).toMatchObject([{ sealed: false, destroyed: true }]);
  },
);
