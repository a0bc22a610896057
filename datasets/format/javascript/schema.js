// The part of JSON Schema that the schemas of the format use.

const TYPES = {
  object: (value) => value !== null && typeof value === "object" && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  integer: Number.isInteger,
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};
const BOUNDS = {
  minimum: (value, bound) => value >= bound,
  exclusiveMinimum: (value, bound) => value > bound,
  multipleOf: (value, bound) => value % bound === 0,
  minItems: (value, bound) => value.length >= bound,
  maxItems: (value, bound) => value.length <= bound,
  pattern: (value, bound) => new RegExp(bound).test(value),
  const: (value, bound) => value === bound,
};

/** Whether a value fits a schema. */
export function fits(schema, value, root = schema) {
  if (schema.$ref) schema = root.$defs[schema.$ref.split("/").pop()];
  const types = [schema.type ?? []].flat();
  if (types.length && !types.some((type) => TYPES[type](value))) return false;
  if (Object.entries(BOUNDS).some(([key, holds]) => key in schema && !holds(value, schema[key]))) return false;
  if (TYPES.array(value)) {
    const rules = schema.prefixItems ?? [];
    return value.every((item, index) => fits(rules[index] ?? schema.items ?? {}, item, root));
  }
  if (!TYPES.object(value)) return true;
  if ((schema.required ?? []).some((key) => !Object.hasOwn(value, key))) return false;
  return Object.entries(value).every(([key, member]) => {
    const named = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties[key] : undefined;
    const rule = named ?? schema.additionalProperties ?? {};
    return rule !== false && fits(schema.propertyNames ?? {}, key, root) && fits(rule, member, root);
  });
}
