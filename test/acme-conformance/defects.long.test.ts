import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { account, stranger } from './account.ts';
import { nameOf } from './case.ts';
import { accountDefects } from './defects/accounts.ts';
import { interpose, type Defect } from './defects/defective.ts';
import { autoRenewalDefects } from './defects/auto-renewal.ts';
import { draftDefects } from './defects/drafts.ts';
import { issuanceDefects } from './defects/issuance.ts';
import { replayAndErrorDefects } from './defects/replay-and-errors.ts';
import { requestDefects } from './defects/requests.ts';
import { resourceDefects } from './defects/resources.ts';
import { revocationDefects } from './defects/revocation.ts';
import { validationDefects } from './defects/validation.ts';
import { withheldDefects } from './defects/withheld.ts';
import { demanding, doors, here, localOptions } from './local-options.ts';
import type { Options } from './options.ts';
import { certificate, pendingOrder, readyOrder } from './order.ts';
import { line, summary } from './report.ts';
import { runSuite } from './run.ts';
import { sections } from './sections.ts';
import { star } from './rfc8739/3-auto-renewal.ts';
import { openSession, startResponders, type Responders, type Session } from './session.ts';
import type { Shared } from './subject.ts';

const defects: readonly Defect[] = [
  ...requestDefects,
  ...replayAndErrorDefects,
  ...resourceDefects,
  ...accountDefects,
  ...issuanceDefects,
  ...revocationDefects,
  ...validationDefects,
  ...withheldDefects,
  ...draftDefects,
  ...autoRenewalDefects,
];

let responders: Responders & { close(): Promise<void> };
let platform: Platform;
let whole: Session;
let options: Options;
const interposer = interpose();

beforeAll(async () => {
  responders = await startResponders(here);
  platform = await startPlatform({ args: doors(responders), env: { LIMIT_OPEN_ORDERS: '10000' } });
  expect((await api(platform, 'POST', '/api/v1/profiles', demanding)).status).toBe(201);
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'demanding', max_uses: 10_000 })).json();
  options = localOptions(`${platform.url}/acme/profile/demanding/directory`, platform.ca, {
    kid: String(key['key_id']),
    hmac: String(key['hmac_key']),
  });
  whole = await openSession(options, responders, interposer);
  interposer.owner = (await account(whole.subject)).kid;
});
afterAll(async () => {
  whole.close();
  await platform.stop();
  await responders.close();
});

/** What the cases share is made by a server that is whole, and anew when a defect has spent it. */
async function prepared(): Promise<Shared> {
  const { subject } = whole;
  await Promise.all([stranger(subject), certificate(subject), readyOrder(subject), pendingOrder(subject), star(subject)]);
  return { ...subject.shared };
}

const sectionsOf = ({ caught }: Defect): typeof sections =>
  sections.filter(({ cases }) => cases.some((one) => caught.includes(nameOf(one))));

/** The cases that a defect may spoil: all of the sections that must notice it, but not those that would wait for nothing. */
function tried(defect: Defect): typeof sections {
  return sectionsOf(defect).map(({ title, cases }) => ({
    title,
    cases: cases.filter((one) => {
      const name = nameOf(one);
      if (defect.caught.includes(name)) return true;
      return !one.slow && (defect.among === undefined || defect.among.some((part) => name.includes(part)));
    }),
  }));
}

/** What neither this server nor any other at hand offers. */
const neverSeen = [
  'RFC 8555 §7.4.1 newAuthz makes a pending authorization and gives its URL',
  'RFC 8555 §7.4.1 newAuthz takes no wildcard',
];

test('each case that this server can pass is failed by some defect', () => {
  const caught = new Set(defects.flatMap((defect) => defect.caught));
  const never = sections.flatMap(({ cases }) => cases.map(nameOf)).filter((name) => !caught.has(name));
  expect([...never].sort()).toEqual([...neverSeen].sort());
});

test('each defect names cases that exist, and has a name of its own', () => {
  const names = sections.flatMap(({ cases }) => cases.map(nameOf));
  for (const { caught } of defects) expect(names).toEqual(expect.arrayContaining([...caught]));
  expect(new Set(defects.map(({ what }) => what)).size).toBe(defects.length);
});

test.each(defects.map((defect) => [defect.what, defect] as const))('%s: caught by the cases of its clause alone', async (_, defect) => {
  const shared = await prepared();
  interposer.defect = defect.serve;
  interposer.subject = whole.subject;
  try {
    const session = await openSession(options, responders, interposer);
    const subject = { ...session.subject, shared };
    interposer.subject = subject;
    const results = await runSuite(subject, tried(defect), { only: [], mustOnly: false });
    session.close();
    const failed = results.filter(({ outcome }) => outcome === 'fail');
    expect(failed.map((result) => nameOf(result.case)).sort(), [summary(results), ...failed.map(line)].join('\n')).toEqual(
      [...defect.caught].sort(),
    );
  } finally {
    interposer.defect = undefined;
  }
});
