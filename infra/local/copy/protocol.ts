import type { PlannedFunction, PlannedRoute } from '../plan.ts';

export interface FrontCertificate {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PKCS#8, PEM. */
  readonly key: string;
}

/** What the primary tells a copy. */
export type ToCopy =
  | {
      readonly type: 'start';
      readonly functions: readonly PlannedFunction[];
      readonly routes: readonly PlannedRoute[];
      readonly environment: Readonly<Record<string, string>>;
      readonly port: number;
      readonly httpPort: number;
      readonly front: FrontCertificate;
      /** Base64, of the access keys of AWS identities; where there is a route for them. */
      readonly accessKeys?: string;
    }
  | { readonly type: 'front'; readonly front: FrontCertificate }
  | { readonly type: 'invoke'; readonly id: number; readonly functionName: string; readonly payload: string }
  | { readonly type: 'stop' };

/** What a copy tells the primary. */
export type FromCopy =
  | { readonly type: 'listening' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'result'; readonly id: number; readonly payload: string; readonly error?: string };
