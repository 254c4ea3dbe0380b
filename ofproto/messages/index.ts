// OpenFlow 1.3 messages and what OVS adds to them: values <-> bytes.
export { decodeMessage, encodeMessage, messageKinds, writeMessage, type Message, type MessageKind } from './codec.ts'
