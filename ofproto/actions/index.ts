// Actions and instructions: values <-> bytes <-> ovs-ofctl text.
export { actionCodec, actionList, formatAction, formatActions, parseActions, type FlowContext } from './table.ts'
export {
  formatInstructions,
  instructionCodec,
  instructionList,
  parseInstructions,
  type Instruction,
} from './instructions.ts'
export type { Action, UnknownAction } from './types.ts'
