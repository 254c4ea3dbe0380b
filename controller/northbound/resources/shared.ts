// Types of computed attributes that several resources have.
import { type AttributeType, oneOf, text, uuid } from '../attribute-types.ts'

export const statusType: AttributeType = oneOf('ACTIVE', 'BUILD', 'DOWN', 'ERROR')

export const noQos = 'QoS policies are not available'

/** Only read and filtered by one of its members. */
export const idList: AttributeType = {
  ...text(36),
  schema: { type: 'array', items: uuid.schema },
}
