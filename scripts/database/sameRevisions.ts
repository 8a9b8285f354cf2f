/** Whether two lists name the same revisions, in whatever order. */
export function sameRevisions(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join(" ") === [...other].sort().join(" ");
}
