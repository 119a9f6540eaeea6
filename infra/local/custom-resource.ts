import { randomUUID } from 'node:crypto';
import type { PlannedResource } from './plan.ts';

interface ResourceAnswer {
  readonly Status: 'SUCCESS' | 'FAILED';
  readonly Reason?: string;
  readonly PhysicalResourceId: string;
}

export interface CustomResources {
  /** Sends the event that CloudFormation would and waits for the answer at its URL. @throws with the reason of a FAILED answer */
  apply(resource: PlannedResource, before: Readonly<Record<string, unknown>> | undefined): Promise<void>;
  /** An answer came in. */
  answered(token: string, body: string): boolean;
}

const timeoutMs = 120_000;

/** CloudFormation's part in a custom resource (Create, then Update when its properties change). */
export function customResources(
  endpoint: () => string,
  invoke: (functionName: string, payload: string) => Promise<{ readonly error?: string; readonly payload: string }>,
): CustomResources {
  const waiting = new Map<string, (answer: ResourceAnswer) => void>();
  return {
    answered(token, body) {
      const resolve = waiting.get(token);
      if (resolve === undefined) return false;
      waiting.delete(token);
      resolve(JSON.parse(body) as ResourceAnswer);
      return true;
    },
    async apply(resource, before) {
      const token = randomUUID();
      const answer = new Promise<ResourceAnswer>((resolve, reject) => {
        waiting.set(token, resolve);
        setTimeout(() => reject(new Error(`${resource.logicalId}: no answer within ${timeoutMs / 1000} s`)), timeoutMs).unref();
      });
      const event = {
        RequestType: before === undefined ? 'Create' : 'Update',
        ResponseURL: `${endpoint()}/cloudformation/${token}`,
        StackId: 'arn:aws:cloudformation:us-east-1:000000000000:stack/local/local',
        RequestId: randomUUID(),
        LogicalResourceId: resource.logicalId,
        ...(before !== undefined && { PhysicalResourceId: 'local', OldResourceProperties: before }),
        ResourceType: resource.type,
        ServiceToken: resource.properties['ServiceToken'],
        ResourceProperties: resource.properties,
      };
      const invoked = await invoke(resource.functionName, JSON.stringify(event));
      if (invoked.error !== undefined) throw new Error(`${resource.logicalId}: the function failed: ${invoked.payload}`);
      const { Status, Reason } = await answer;
      if (Status !== 'SUCCESS') throw new Error(`${resource.logicalId}: ${Reason ?? 'failed without a reason'}`);
    },
  };
}
