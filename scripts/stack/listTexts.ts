/** Every text of a configuration with its path; an item of a list as "path[item]". */
export function listTexts(
  value: unknown,
  path = "",
): { readonly path: string; readonly text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value)) {
    return value.flatMap((item) =>
      listTexts(item, `${path}[${typeof item === "string" ? item : ""}]`),
    );
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    listTexts(inner, path === "" ? key : `${path}.${key}`),
  );
}
