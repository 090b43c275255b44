document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-toggle]");
  if (!link) return;
  event.preventDefault();
  const href = link.getAttribute("href");
  if (link.dataset.toggle === "collapse") document.querySelector(href).classList.toggle("show");
  if (link.dataset.toggle === "tab") {
    for (const pane of document.querySelectorAll(".tab-pane")) pane.hidden = "#" + pane.id !== href;
    for (const tab of document.querySelectorAll("a[data-toggle=tab]")) tab.classList.toggle("active", tab === link);
  }
});
document.addEventListener("input", (event) => {
  if (event.target.id === "failed-only") {
    for (const passed of document.querySelectorAll(".hide-succeeded-validation-target-child")) {
      passed.closest("tr").hidden = event.target.checked;
    }
  }
  if (event.target.matches(".filter")) {
    const wanted = event.target.value.toLowerCase();
    for (const row of document.querySelectorAll("#" + event.target.dataset.table + " tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  }
});
document.addEventListener("DOMContentLoaded", () => document.querySelector("a[data-toggle=tab]")?.click());
