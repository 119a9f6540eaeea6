import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

export interface KeysProps extends StackProps {
  readonly config: Config;
}

/** Keys outlive every deployment: what they sealed can be opened by nothing else. */
export class KeysStack extends Stack {
  /** Seals CA and responder keys, EAB keys and the nonces' daily keys. */
  readonly envelope: kms.Key;

  constructor(scope: Construct, id: string, props: KeysProps) {
    super(scope, id, { ...props, description: 'certctl: the envelope key' });
    this.envelope = new kms.Key(this, 'Envelope', {
      description: 'certctl envelope key',
      enableKeyRotation: true,
      removalPolicy: props.config.retainData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }
}
