/// The name of this machine's processor; its architecture where the system does not tell.
pub fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}

/// The name of a kind of device.
pub(super) fn device_name<D>() -> &'static str {
    std::any::type_name::<D>().rsplit("::").next().unwrap_or_default()
}
