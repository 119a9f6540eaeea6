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
