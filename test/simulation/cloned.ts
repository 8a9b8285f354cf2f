/** Plain data, as JSON and YAML give it, once more. */
export function cloned<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(cloned) as Value;
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = cloned((value as Record<string, unknown>)[key]);
  return copy as Value;
}
