// OpenFlow 1.3 with the ONF and Nicira extensions: values <-> bytes <-> ovs-ofctl text.
export { DecodeError, EncodeError } from './wire/errors.ts'
