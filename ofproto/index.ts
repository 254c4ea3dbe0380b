// OpenFlow 1.3 with the ONF and Nicira extensions: values <-> bytes <-> ovs-ofctl text, and the protocol around them.
// docs/ofproto.md.
export {
  formatAction,
  formatActions,
  formatInstructions,
  parseActions,
  parseInstructions,
  type Action,
  type Instruction,
} from './actions/index.ts'
export { formatMatch, parseMatch } from './fields/match-text.ts'
export type { Match, MatchEntry } from './fields/match.ts'
export { fields, type FieldName } from './fields/table.ts'
export { formatFlowStats, parseFlowMod, parseFlowRequest } from './messages/flow-text.ts'
export type { FlowMod, FlowModCommand, FlowStats } from './messages/flow.ts'
export { parseGroupMod } from './messages/group-text.ts'
export type { GroupDesc, GroupMod, GroupModCommand } from './messages/group.ts'
export { decodeMessage, encodeMessage, writeMessage, type Message, type MessageKind } from './messages/index.ts'
export { parseMeterMod } from './messages/meter-text.ts'
export type { MeterConfig, MeterMod, MeterModCommand } from './messages/meter.ts'
export { formatMessage } from './messages/print.ts'
export { Framer } from './session/framer.ts'
export { Session, type CloseReason, type SessionEvent, type SessionOptions } from './session/session.ts'
export { TextError } from './text/tokens.ts'
export { DecodeError, EncodeError, errorCodes, type ErrorCode } from './wire/errors.ts'
