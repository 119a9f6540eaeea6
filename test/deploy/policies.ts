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

/** Gives roles what AWS gives them by their own policies, and this emulator does not understand. */
export async function bridgePolicies(cloud: Cloud): Promise<void> {
  const iam = new IAMClient(cloud.client);
  for (const fn of (await cloud.functions()).values()) {
    const RoleName = fn.Role?.split('/').at(-1) ?? '';
    const { PolicyNames } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
    for (const PolicyName of PolicyNames ?? []) {
      const { PolicyDocument } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
      const document = decodeURIComponent(PolicyDocument ?? '');
      for (const [name, bridge] of Object.entries(bridges)) {
        const bridged = bridge(document);
        if (bridged !== undefined) await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: name, PolicyDocument: bridged }));
      }
    }
  }
}

interface Document {
  readonly Statement: readonly { readonly Condition?: unknown }[];
}

const bridges: Readonly<Record<string, (document: string) => string | undefined>> = {
  // AWS asks for `sqs:SendMessage` whether messages come alone or in batches; here batches have an action of their own.
  EmulatorBatches: (document) =>
    document.includes('"sqs:SendMessage"') ? document.replaceAll('"sqs:SendMessage"', '"sqs:SendMessageBatch"') : undefined,
  // What a request to KMS has as its encryption context is not known to conditions here: a statement with such a one allows nothing.
  EmulatorContexts(document) {
    const policy = JSON.parse(document) as Document;
    const conditional = policy.Statement.filter(({ Condition }) => JSON.stringify(Condition ?? {}).includes('kms:EncryptionContext:'));
    if (conditional.length === 0) return undefined;
    return JSON.stringify({ ...policy, Statement: conditional.map((statement) => ({ ...statement, Condition: undefined })) });
  },
};
