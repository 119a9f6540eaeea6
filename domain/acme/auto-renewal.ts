import { CaError } from '../error.ts';
import type { AutoRenewalRules, Profile } from '../issuance/profile.ts';
import type { JsonObject } from '../json/strict.ts';
import { caaFreshSeconds } from './caa-freshness.ts';
import { readTime, rfc3339 } from './timestamp.ts';

/** What an order for certificates that renew themselves asks for (RFC 8739 §3.1.1). */
export interface AutoRenewal {
  /** Undefined: as soon as the order is finalized. */
  readonly startDate: Date | undefined;
  readonly endDate: Date;
  /** Seconds from one nominal renewal to the next. */
  readonly lifetime: number;
  /** Seconds that each certificate but the first begins before its nominal renewal, and is to be had. */
  readonly lifetimeAdjust: number;
  readonly allowCertificateGet: boolean;
}

/** The object of the wire, and what the database keeps. */
export interface AutoRenewalObject {
  readonly 'start-date'?: string;
  readonly 'end-date': string;
  readonly lifetime: number;
  readonly 'lifetime-adjust': number;
  readonly 'allow-certificate-get'?: boolean;
}

const dayMs = 86_400_000;

/** What the orders of a profile may ask for. Where CAA records count, renewals end when what was read of them is too old: nobody reads them anew. */
export function renewalRules({ autoRenewal, ...profile }: Profile): AutoRenewalRules | undefined {
  return autoRenewal && heedsCaa(profile)
    ? { ...autoRenewal, maxDuration: Math.min(autoRenewal.maxDuration, caaFreshSeconds) }
    : autoRenewal;
}

function heedsCaa({ authMode, caaIdentities }: Pick<Profile, 'authMode' | 'caaIdentities'>): boolean {
  return authMode === 'challenge' && caaIdentities.length > 0;
}

/**
 * Reads the `auto-renewal` member of newOrder (RFC 8739 §3.1.1). The adjustment is raised to half a lifetime, so that each certificate is valid when it is
 * published half a lifetime before the last one ends (§3.3), and lowered to what the profile's certificates may live.
 *
 * @param now milliseconds since the epoch
 * @throws {CaError} `malformed`
 */
export function readAutoRenewal(payload: Readonly<Record<string, unknown>>, profile: Profile, now: number): AutoRenewal | undefined {
  const given = payload['auto-renewal'];
  if (given === undefined) return undefined;
  const rules = renewalRules(profile);
  if (rules === undefined) throw new CaError('malformed', 'the profile renews nothing automatically');
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new CaError('malformed', 'auto-renewal is not an object');
  if (payload['notBefore'] !== undefined || payload['notAfter'] !== undefined)
    throw new CaError('malformed', 'an order with auto-renewal has neither notBefore nor notAfter');
  const members = given as Readonly<Record<string, unknown>>;
  const lifetime = seconds(members, 'lifetime');
  if (lifetime === undefined) throw new CaError('malformed', 'auto-renewal has no lifetime');
  const longest = Math.floor((profile.validitySeconds * 2) / 3);
  if (lifetime < rules.minLifetime || lifetime > longest)
    throw new CaError('malformed', `lifetime must be from ${rules.minLifetime} to ${longest} seconds`);
  const asked = Math.min(seconds(members, 'lifetime-adjust') ?? 0, lifetime);
  const startDate = readTime(members, 'start-date');
  const endDate = readTime(members, 'end-date');
  if (endDate === undefined) throw new CaError('malformed', 'auto-renewal has no end-date');
  if (startDate !== undefined && startDate.getTime() - now > dayMs)
    throw new CaError('malformed', 'start-date must be within a day of now');
  const duration = (endDate.getTime() - Math.max(startDate?.getTime() ?? 0, now)) / 1000;
  if (duration < rules.minLifetime) throw new CaError('malformed', 'end-date leaves no time for a certificate');
  if (duration > rules.maxDuration) throw new CaError('malformed', `end-date must be within ${rules.maxDuration} seconds`);
  const get = members['allow-certificate-get'];
  if (get !== undefined && typeof get !== 'boolean') throw new CaError('malformed', 'allow-certificate-get is not a boolean');
  return {
    startDate,
    endDate,
    lifetime,
    lifetimeAdjust: Math.min(Math.max(asked, Math.ceil(lifetime / 2)), profile.validitySeconds - lifetime),
    allowCertificateGet: get === true && rules.allowCertificateGet,
  };
}

/**
 * Whether a profile, which may have changed since the order, lets it renew.
 *
 * @param proofsAreFresh the names were proven, and their CAA records read, within the last eight hours
 * @throws {CaError} `unauthorized`, `caa`
 */
export function assertRenewable(renewal: AutoRenewal, profile: Profile, proofsAreFresh: boolean): void {
  const rules = profile.autoRenewal;
  if (rules === undefined || renewal.lifetime < rules.minLifetime || renewal.lifetime + renewal.lifetimeAdjust > profile.validitySeconds)
    throw new CaError('unauthorized', 'the profile does not renew such certificates any more');
  if (!proofsAreFresh && heedsCaa(profile)) throw new CaError('caa', 'the CAA records were read too long ago for another certificate');
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Of the first certificate, which no adjustment moves before the start (RFC 8739 §3.5). @param now milliseconds since the epoch */
export function firstValidity(renewal: AutoRenewal, now: number): Validity {
  const begin = new Date(Math.max(renewal.startDate?.getTime() ?? 0, Math.floor(now / 1000) * 1000));
  return validityOf(renewal, begin, 0);
}

/**
 * When the certificate of a number is valid (RFC 8739 §3.5); it is published when it begins to be.
 *
 * @param first the notBefore of certificate 0, where the schedule begins
 */
export function validityOf(renewal: AutoRenewal, first: Date, number: number): Validity {
  const nominal = first.getTime() + number * renewal.lifetime * 1000;
  return {
    notBefore: new Date(number === 0 ? nominal : nominal - renewal.lifetimeAdjust * 1000),
    notAfter: new Date(Math.min(nominal + renewal.lifetime * 1000, renewal.endDate.getTime())),
  };
}

/** The number of the certificate that is to be had at a time: the last that is published, if anybody asks for it. @param now milliseconds since the epoch */
export function dueNumber(renewal: AutoRenewal, first: Date, now: number): number {
  const since = (now - first.getTime()) / 1000 + renewal.lifetimeAdjust;
  return Math.max(0, Math.min(Math.floor(since / renewal.lifetime), lastNumber(renewal, first)));
}

/** When the certificate after this one is published; undefined: it is the last. */
export function nextPublication(renewal: AutoRenewal, first: Date, number: number): Date | undefined {
  return number >= lastNumber(renewal, first) ? undefined : validityOf(renewal, first, number + 1).notBefore;
}

function lastNumber({ endDate, lifetime }: AutoRenewal, first: Date): number {
  return Math.ceil((endDate.getTime() - first.getTime()) / 1000 / lifetime) - 1;
}

/** RFC 8739 §3.1.1, as the order object shows it. */
export function autoRenewalObject(renewal: AutoRenewal): AutoRenewalObject & JsonObject {
  return {
    ...(renewal.startDate && { 'start-date': rfc3339(renewal.startDate) }),
    'end-date': rfc3339(renewal.endDate),
    lifetime: renewal.lifetime,
    'lifetime-adjust': renewal.lifetimeAdjust,
    ...(renewal.allowCertificateGet && { 'allow-certificate-get': true }),
  };
}

/** Reads back what `autoRenewalObject` wrote. */
export function keptAutoRenewal(kept: AutoRenewalObject): AutoRenewal {
  const start = kept['start-date'];
  return {
    startDate: start === undefined ? undefined : new Date(start),
    endDate: new Date(kept['end-date']),
    lifetime: kept.lifetime,
    lifetimeAdjust: kept['lifetime-adjust'],
    allowCertificateGet: kept['allow-certificate-get'] ?? false,
  };
}

function seconds(members: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new CaError('malformed', `${name} is not a whole number of seconds`);
  return value;
}
