import type { CloudFormationCustomResourceEvent } from 'aws-lambda';

export type ResourceAnswer =
  { readonly status: 'SUCCESS'; readonly data: Readonly<Record<string, string>> } | { readonly status: 'FAILED'; readonly reason: string };

const maxReason = 1000;
const tries = 3;
const perTryMs = 5000;

/**
 * Answers CloudFormation, which otherwise waits for an hour: a PUT to the URL that came with the event, three tries.
 *
 * @throws {Error} when none of them arrives; Lambda then delivers the event again
 */
export async function answerCloudFormation(
  event: CloudFormationCustomResourceEvent,
  physicalId: string,
  answer: ResourceAnswer,
): Promise<void> {
  const body = JSON.stringify({
    Status: answer.status,
    ...(answer.status === 'FAILED' && { Reason: answer.reason.slice(0, maxReason) }),
    PhysicalResourceId: physicalId,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    ...(answer.status === 'SUCCESS' && { Data: answer.data }),
  });
  let failure: unknown;
  for (let attempt = 0; attempt < tries; attempt++) {
    try {
      const response = await fetch(event.ResponseURL, {
        method: 'PUT',
        body,
        headers: { 'content-type': '' },
        signal: AbortSignal.timeout(perTryMs),
      });
      if (response.ok) return;
      failure = new Error(`CloudFormation answered ${response.status}`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
