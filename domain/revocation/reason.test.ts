import { expect, test } from 'vitest';
import { reasonCode, revocationStep } from './reason.ts';

const { certificateHold, keyCompromise, superseded, unspecified } = reasonCode;

test.each([
  ['pending', undefined, unspecified, 'revoke'],
  ['pending', undefined, certificateHold, 'it has no version that could be held'],
  ['active', undefined, certificateHold, 'revoke'],
  ['active', undefined, superseded, 'revoke'],
  ['held', certificateHold, certificateHold, 'done already'],
  ['held', certificateHold, superseded, 'revoke'],
  ['held', certificateHold, keyCompromise, 'revoke'],
  ['revoked', superseded, superseded, 'done already'],
  ['revoked', superseded, certificateHold, 'it is revoked already'],
  ['revoked', superseded, unspecified, 'it is revoked already'],
  ['revoked', superseded, keyCompromise, 'revoke'],
  ['revoked', keyCompromise, keyCompromise, 'done already'],
  ['revoked', keyCompromise, superseded, 'it is revoked already'],
  ['revoked', undefined, unspecified, 'it is revoked already'],
  ['archived', undefined, keyCompromise, 'it is archived'],
] as const)('a certificate that is %s with reason %s, revoked for %s: %s', (state, before, reason, expected) => {
  const step = revocationStep(state, before, reason);
  expect(typeof step === 'string' ? step : step.refused).toBe(expected);
});
