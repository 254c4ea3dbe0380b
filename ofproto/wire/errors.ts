// The two things that can go wrong on the wire. A decoder throws nothing but DecodeError, an encoder nothing but
// EncodeError: callers may rely on it to close one connection and leave the rest of the process alone.

/** An OpenFlow error, as (type, code) of an OFPT_ERROR message (OpenFlow 1.3.5 §7.4.4). */
export interface ErrorCode {
  readonly name: string
  readonly type: number
  readonly code: number
  /** Of an extension's code, that OpenFlow 1.3 sends with type 0xffff and the code as experimenter type; else null. */
  readonly experimenter: number | null
}

const code = (name: string, type: number, value: number): ErrorCode => ({ name, type, code: value, experimenter: null })
const extension = (experimenter: number, name: string, value: number): ErrorCode => ({
  name,
  type: 0xffff,
  code: value,
  experimenter,
})
const NICIRA = 0x2320
const ONF = 0x4f4e4600
const onf = (name: string, value: number): ErrorCode => extension(ONF, name, value)
const nicira = (name: string, value: number): ErrorCode => extension(NICIRA, name, value)

/** The codes that decoding can answer with. The full list, for printing, is in messages/error-names.ts. */
export const errorCodes = {
  helloIncompatible: code('OFPHFC_INCOMPATIBLE', 0, 0),
  badVersion: code('OFPBRC_BAD_VERSION', 1, 0),
  badType: code('OFPBRC_BAD_TYPE', 1, 1),
  badMultipart: code('OFPBRC_BAD_STAT', 1, 2),
  badExperimenter: code('OFPBRC_BAD_VENDOR', 1, 3),
  badExperimenterType: code('OFPBRC_BAD_SUBTYPE', 1, 4),
  permission: code('OFPBRC_EPERM', 1, 5),
  badLength: code('OFPBRC_BAD_LEN', 1, 6),
  badPort: code('OFPBRC_BAD_PORT', 1, 11),
  mustBeZero: nicira('NXBRC_MUST_BE_ZERO', 4),
  badPortReason: nicira('NXBRC_BAD_REASON', 5),
  badMonitorFlags: nicira('OFPMOFC_BAD_FLAGS', 7),
  badMonitorEvent: nicira('NXBRC_FM_BAD_EVENT', 9),
  multipartOverflow: code('OFPBRC_MULTIPART_BUFFER_OVERFLOW', 1, 13),
  badActionType: code('OFPBAC_BAD_TYPE', 2, 0),
  badActionLength: code('OFPBAC_BAD_LEN', 2, 1),
  badActionExperimenter: code('OFPBAC_BAD_VENDOR', 2, 2),
  badActionExperimenterType: code('OFPBAC_BAD_VENDOR_TYPE', 2, 3),
  badOutPort: code('OFPBAC_BAD_OUT_PORT', 2, 4),
  badActionArgument: code('OFPBAC_BAD_ARGUMENT', 2, 5),
  matchInconsistent: code('OFPBAC_MATCH_INCONSISTENT', 2, 10),
  unsupportedOrder: code('OFPBAC_UNSUPPORTED_ORDER', 2, 11),
  badTag: code('OFPBAC_BAD_TAG', 2, 12),
  badSetType: code('OFPBAC_BAD_SET_TYPE', 2, 13),
  badSetLength: code('OFPBAC_BAD_SET_LEN', 2, 14),
  badSetArgument: code('OFPBAC_BAD_SET_ARGUMENT', 2, 15),
  badSetMask: extension(ONF, 'OFPBAC_BAD_SET_MASK', 4250),
  actionMustBeZero: nicira('NXBAC_MUST_BE_ZERO', 11),
  badConjunction: nicira('NXBAC_BAD_CONJUNCTION', 15),
  badHeaderType: nicira('NXBAC_BAD_HEADER_TYPE', 39),
  unknownEncapProperty: nicira('NXBAC_UNKNOWN_ED_PROP', 40),
  badEncapProperty: nicira('NXBAC_BAD_ED_PROP', 41),
  badInstruction: code('OFPBIC_UNKNOWN_INST', 3, 0),
  unsupportedInstruction: code('OFPBIC_UNSUP_INST', 3, 1),
  duplicateInstruction: extension(ONF, 'OFPBIC_DUP_INST', 2600),
  badInstructionTable: code('OFPBIC_BAD_TABLE_ID', 3, 2),
  badInstructionLength: code('OFPBIC_BAD_LEN', 3, 7),
  badMatchType: code('OFPBMC_BAD_TYPE', 4, 0),
  badMatchLength: code('OFPBMC_BAD_LEN', 4, 1),
  badMatchWildcards: code('OFPBMC_BAD_WILDCARDS', 4, 5),
  badMatchField: code('OFPBMC_BAD_FIELD', 4, 6),
  badMatchValue: code('OFPBMC_BAD_VALUE', 4, 7),
  badMatchMask: code('OFPBMC_BAD_MASK', 4, 8),
  badMatchPrerequisite: code('OFPBMC_BAD_PREREQ', 4, 9),
  duplicateMatchField: code('OFPBMC_DUP_FIELD', 4, 10),
  badFlowModTable: code('OFPFMFC_BAD_TABLE_ID', 5, 2),
  badFlowModCommand: code('OFPFMFC_BAD_COMMAND', 5, 6),
  badFlowModFlags: code('OFPFMFC_BAD_FLAGS', 5, 7),
  invalidGroup: code('OFPGMFC_INVALID_GROUP', 6, 1),
  watchUnsupported: code('OFPGMFC_WATCH_UNSUPPORTED', 6, 6),
  badGroupCommand: code('OFPGMFC_BAD_COMMAND', 6, 11),
  badGroupType: code('OFPGMFC_BAD_TYPE', 6, 10),
  badBucket: code('OFPGMFC_BAD_BUCKET', 6, 12),
  badWatch: code('OFPGMFC_BAD_WATCH', 6, 13),
  badSwitchFlags: code('OFPSCFC_BAD_FLAGS', 10, 0),
  badQueuePort: code('OFPQOFC_BAD_PORT', 9, 0),
  badRole: code('OFPRRFC_BAD_ROLE', 11, 2),
  badMeterCommand: code('OFPMMFC_BAD_COMMAND', 12, 4),
  badMeterFlags: code('OFPMMFC_BAD_FLAGS', 12, 5),
  badMeterBand: code('OFPMMFC_BAD_BAND', 12, 8),
  badFeatureTable: code('OFPTFFC_BAD_TABLE', 13, 0),
  badTableFeatures: code('OFPTFFC_BAD_FEATURES', 13, 8),
  badPropertyType: code('OFPBPC_BAD_TYPE', 13, 2),
  badPropertyLength: code('OFPBPC_BAD_LEN', 13, 3),
  badPropertyValue: code('OFPBPC_BAD_VALUE', 13, 4),
  badPropertyExperimenter: onf('OFPBPC_BAD_EXPERIMENTER', 4445),
  badAsync: onf('OFPACFC_INVALID', 2370),
  unsupportedAsync: onf('OFPACFC_UNSUPPORTED', 2371),
  badBundleType: onf('OFPBFC_BAD_TYPE', 2306),
  badBundledLength: onf('OFPBFC_MSG_BAD_LEN', 2308),
  badBundledXid: onf('OFPBFC_MSG_BAD_XID', 2309),
  unbundlable: onf('OFPBFC_MSG_UNSUP', 2310),
  badBundledVersion: code('OFPBFC_BAD_VERSION', 1, 0),
  badTlvCommand: nicira('NXTTMFC_BAD_COMMAND', 16),
  badTlvLength: nicira('NXTTMFC_BAD_OPT_LEN', 17),
  badTlvIndex: nicira('NXTTMFC_BAD_FIELD_IDX', 18),
} as const satisfies Record<string, ErrorCode>

/**
 * The bytes do not say what they should. `offset` counts bytes from the start of the message, `path` names the
 * structure from the outside in (`flow_mod.instructions[1].actions[0]`), `error` is what OpenFlow answers with.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  readonly error: ErrorCode
  readonly reason: string
  readonly offset: number
  path: string

  constructor(error: ErrorCode, reason: string, offset: number) {
    super(reason)
    this.error = error
    this.reason = reason
    this.offset = offset
    this.path = ''
    this.describe()
  }

  /** Prepends one level: called while the error passes outwards through the structure `part`. */
  within(part: string): this {
    this.path = this.path === '' ? part : this.path.startsWith('[') ? part + this.path : `${part}.${this.path}`
    this.describe()
    return this
  }

  private describe(): void {
    this.message = `${this.error.name} at byte ${this.offset}${this.path && ` (${this.path})`}: ${this.reason}`
  }
}

/** A value cannot be put on the wire (longer than its length field can say, for example). */
export class EncodeError extends Error {
  override readonly name = 'EncodeError'
}

/** A DecodeError goes out with one more level of path; anything else is a defect of ours and goes out as it is. */
export function within(error: unknown, part: string): unknown {
  return error instanceof DecodeError ? error.within(part) : error
}
