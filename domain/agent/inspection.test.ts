import { expect, test } from 'vitest';
import { judgeInspection, type ExpectedAtTarget, type Observation } from './inspection.ts';

const [deployed, newer, strange] = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32)) as [string, string, string];
const seen = (fingerprint: string): Observation => ({ source: 'served', fingerprint, serial: undefined, notAfter: undefined });
const still: ExpectedAtTarget = { deployed, current: newer, deploying: false };

test.each<[string, Observation, Partial<ExpectedAtTarget>, string]>([
  ['what was deployed', seen(deployed), {}, 'in_sync'],
  ['what is deployed next', seen(newer), {}, 'in_sync'],
  ['another certificate', seen(strange), {}, 'drifted'],
  ['another certificate, and a deployment has not ended', seen(strange), { deploying: true }, 'deploying'],
  ['what was deployed, and a deployment has not ended', seen(deployed), { deploying: true }, 'in_sync'],
  ['an empty place', { source: 'empty' }, {}, 'drifted'],
  ['nobody', { source: 'none' }, {}, 'unreachable'],
  ['nobody, in the middle of a deployment', { source: 'none' }, { deploying: true }, 'deploying'],
  ['anything, where nothing was deployed', seen(strange), { deployed: undefined, current: undefined }, 'nothing_deployed'],
  ['nobody, where nothing was deployed', { source: 'none' }, { deployed: undefined, current: undefined }, 'unreachable'],
])('given %s, it is judged so', (_, observation, more, outcome) => {
  expect(judgeInspection(observation, { ...still, ...more })).toBe(outcome);
});
