import type { AccountCache } from '#domain/acme/authenticate.ts';
import type { AcmePorts } from '#domain/acme/ports.ts';
import type { AcmeUrls } from '#domain/acme/urls.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import type { HttpRequest } from '../shared/http.ts';

export interface AcmeContext {
  readonly ports: AcmePorts;
  readonly cache: AccountCache;
  /** False: there is no ACME server here, whatever the path. */
  readonly enabled: boolean;
  /** Whose URLs the shorthand under `/acme` stands for; undefined: there is none. */
  readonly defaultProfile: string | undefined;
  /** False: the directory offers no renewalInfo, and its path is not found. */
  readonly renewalInfo: boolean;
}

/** A request whose profile and route are known. */
export interface Call extends AcmeContext {
  readonly profile: Profile;
  readonly urls: AcmeUrls;
  readonly request: HttpRequest;
  readonly path: string;
  readonly ids: readonly string[];
  /** The request came by the shorthand, whose directory is the shared one. */
  readonly shared: boolean;
}
