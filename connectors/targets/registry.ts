import { awsAcm } from './aws-acm/aws-acm.ts';
import type { Target } from './change.ts';
import { TargetFailure } from './failure.ts';
import { servers } from './servers.ts';

const targets: typeof servers = { ...servers, aws_acm: awsAcm };

/** The kinds of target that this build can drive. */
export function targetTypes(): readonly string[] {
  return Object.keys(targets).sort();
}

/** The target of a kind. @throws {TargetFailure} `connector` when this build has none */
export function targetOf(targetType: string): Target<unknown> {
  const target = Object.hasOwn(targets, targetType) ? targets[targetType] : undefined;
  if (target === undefined) throw new TargetFailure('connector', 'this host cannot drive targets of this type');
  return target as Target<unknown>;
}
