import {
  DeleteRolePolicyCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListRolePoliciesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import type { Cloud } from './cloud.ts';

/** Takes a role's policies away while something is done, and gives them back. */
export async function withoutPolicies(cloud: Cloud, role: string, work: () => Promise<void>): Promise<void> {
  const iam = new IAMClient(cloud.client);
  const { PolicyNames } = await iam.send(new ListRolePoliciesCommand({ RoleName: role }));
  const taken = await Promise.all(
    (PolicyNames ?? []).map(async (PolicyName) => {
      const { PolicyDocument } = await iam.send(new GetRolePolicyCommand({ RoleName: role, PolicyName }));
      await iam.send(new DeleteRolePolicyCommand({ RoleName: role, PolicyName }));
      return { PolicyName, PolicyDocument: decodeURIComponent(PolicyDocument ?? '') };
    }),
  );
  if (taken.length === 0) throw new Error(`the role ${role} has no policy to take`);
  try {
    await work();
  } finally {
    for (const policy of taken) await iam.send(new PutRolePolicyCommand({ RoleName: role, ...policy }));
  }
}

/**
 * AWS asks for `sqs:SendMessage` whether messages come alone or in batches; this emulator has an action of its own for batches. Whoever may do
 * the one gets the other.
 */
export async function allowBatches(cloud: Cloud): Promise<void> {
  const iam = new IAMClient(cloud.client);
  for (const fn of (await cloud.functions()).values()) {
    const RoleName = fn.Role?.split('/').at(-1) ?? '';
    const { PolicyNames } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
    for (const PolicyName of PolicyNames ?? []) {
      const { PolicyDocument } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
      const document = decodeURIComponent(PolicyDocument ?? '');
      if (!document.includes('"sqs:SendMessage"')) continue;
      const batches = document.replaceAll('"sqs:SendMessage"', '"sqs:SendMessageBatch"');
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'EmulatorBatches', PolicyDocument: batches }));
    }
  }
}
