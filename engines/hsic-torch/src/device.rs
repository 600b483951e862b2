//! The device, what goes to it and what comes back.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hsic_bottleneck::step_error::BoxError;
use tch::kind::Element;
use tch::{Cuda, Kind, Tensor};

use crate::beside;

/// The versions of libtorch that `tch` can be built against here, newest last.
const VERSIONS: [&str; 2] = ["2.11", "2.13"];

/// Where tensors are: what the user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Cpu,
    /// A GPU, by its number.
    Cuda(usize),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').map_or((text, Ok(0)), |(kind, number)| (kind, number.parse())) {
            ("cpu", _) if text == "cpu" => Ok(Self::Cpu),
            ("cuda", Ok(number)) => Ok(Self::Cuda(number)),
            _ => Err("expected cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// A device that was found, and a count of how often the program waited for it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    place: Place,
    device: tch::Device,
    /// Reads of tensors: each waits until the device has done all before it.
    waits: Arc<AtomicU64>,
    /// What a test says is free.
    #[cfg(test)]
    free: Option<u64>,
}

impl Device {
    /// Meets the device.
    ///
    /// # Errors
    /// The libtorch that was found, if it is another than this program was built against; the devices that were found, if the
    /// one that was asked for is not among them.
    pub(crate) fn meet(place: Place, tf32: bool) -> Result<Self, BoxError> {
        // Before libtorch is asked anything: what it once took for missing it never looks for again.
        let loaded = if place == Place::Cpu { Ok(()) } else { beside::load_cuda() };
        check_version(&beside::about())?;
        let device = match place {
            Place::Cpu => tch::Device::Cpu,
            Place::Cuda(number) => {
                if let Err(reason) = loaded {
                    return Err(format!(
                        "device = {place}: libtorch_cuda.so cannot be loaded ({reason}): expected that of a PyTorch with CUDA \
                         beside libtorch.so, and its CUDA libraries, in LD_LIBRARY_PATH; or --device cpu"
                    )
                    .into());
                }
                if !tch::utils::has_cudart() {
                    return Err(format!(
                        "device = {place}: libtorch_cuda.so was loaded and libtorch knows no CUDA: expected both of one PyTorch \
                         in LD_LIBRARY_PATH; or --device cpu"
                    )
                    .into());
                }
                let found = Cuda::device_count();
                if i64::try_from(number).is_ok_and(|number| number >= found) {
                    let plural = if found == 1 { "" } else { "s" };
                    return Err(format!(
                        "device = {place}: libtorch (CUDA {}) finds {found} device{plural}: expected a number below that, of the \
                         devices that nvidia-smi -L lists and CUDA_VISIBLE_DEVICES leaves; or --device cpu",
                        cuda_version(tch::utils::version_cudart())
                    )
                    .into());
                }
                tch::Device::Cuda(number)
            }
        };
        beside::settings(tf32, true)?;
        Ok(Self {
            place,
            device,
            waits: Arc::default(),
            #[cfg(test)]
            free: None,
        })
    }

    /// The name of this engine in a run's record.
    pub(crate) fn engine(&self) -> String {
        match self.place {
            Place::Cpu => "torch-cpu".to_owned(),
            Place::Cuda(_) => "torch-cuda".to_owned(),
        }
    }

    /// Whether work is done when its call returns.
    pub(crate) fn is_host(&self) -> bool {
        self.place == Place::Cpu
    }

    /// Numbers on the device.
    pub(crate) fn take(&self, values: &[f32]) -> Tensor {
        self.moved(Tensor::from_slice(values))
    }

    /// A tensor of this memory on the device. From memory that the device reads by itself nobody waits for the copy.
    fn moved(&self, tensor: Tensor) -> Tensor {
        match self.place {
            Place::Cpu => tensor,
            Place::Cuda(_) => tensor.pin_memory(self.device).to_device_(self.device, tensor.kind(), true, false),
        }
    }

    /// Whole numbers on the device.
    pub(crate) fn take_whole(&self, values: &[i64]) -> Tensor {
        self.moved(Tensor::from_slice(values))
    }

    /// Values that stay on the device, as they are.
    pub(crate) fn keep<V: Element>(&self, values: &[V]) -> Tensor {
        Tensor::from_slice(values).to_device(self.device)
    }

    /// Bytes that are free there; `None` where the system does not tell.
    ///
    /// # Errors
    /// What CUDA's runtime says.
    pub(crate) fn free_bytes(&self) -> Result<Option<u64>, BoxError> {
        #[cfg(test)]
        if let Some(free) = self.free {
            return Ok(Some(free));
        }
        match self.place {
            Place::Cpu => Ok(hsic::memory::available()),
            Place::Cuda(number) => beside::free_bytes(number).map(Some),
        }
    }

    /// This device with so little memory.
    #[cfg(test)]
    pub(crate) fn with_free_bytes(self, free: u64) -> Self {
        Self { free: Some(free), ..self }
    }

    /// Rows (m x columns) on the device.
    pub(crate) fn take_rows(&self, m: usize, values: &[f32]) -> Tensor {
        self.take(values).view([m as i64, -1])
    }

    /// Zeros on the device.
    pub(crate) fn zeros(&self, size: &[i64]) -> Tensor {
        Tensor::zeros(size, (Kind::Float, self.device))
    }

    /// All entries, row-major: the program waits for the device.
    pub(crate) fn read(&self, tensor: &Tensor) -> Vec<f32> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let flat = tensor.to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous().view(-1);
        let mut values = vec![0.0; flat.numel()];
        let count = values.len();
        flat.copy_data(&mut values, count);
        values
    }

    /// As [`read`](Self::read), in double precision.
    pub(crate) fn read_double(&self, tensor: &Tensor) -> Vec<f64> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let flat = tensor.to_kind(Kind::Double).to_device(tch::Device::Cpu).contiguous().view(-1);
        let mut values = vec![0.0; flat.numel()];
        let count = values.len();
        flat.copy_data(&mut values, count);
        values
    }

    /// How often the program has waited for the device.
    #[cfg(test)]
    pub(crate) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}

/// 13000 as 13.0.
fn cuda_version(number: i64) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Whether the libtorch that says this of itself is the one whose headers this program was built with.
///
/// # Errors
/// Both versions.
fn check_version(about: &str) -> Result<(), BoxError> {
    let found = version_of(about).unwrap_or("of no known version");
    let built = beside::built_against();
    let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    if minor(found) == minor(&built) {
        return Ok(());
    }
    let known = VERSIONS.join(" or ");
    Err(format!(
        "libtorch {found} was found, this program was built against {built}: expected that version in LD_LIBRARY_PATH, or a \
         program built against the one that is there ({known}: docs/gpu.md)"
    )
    .into())
}

/// The version in what libtorch says of its own making.
fn version_of(about: &str) -> Option<&str> {
    about.split("TORCH_VERSION=").nth(1)?.split(|c: char| c == ',' || c.is_whitespace()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names() {
        for place in [Place::Cpu, Place::Cuda(0), Place::Cuda(3)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!("cuda".parse(), Ok(Place::Cuda(0)));
        for wrong in ["gpu", "cuda:", "cuda:x", "cpu:1", ""] {
            assert_eq!(wrong.parse::<Place>(), Err("expected cpu, cuda or cuda:N".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn another_libtorch_is_told_of() {
        let about = |version| {
            format!("PyTorch built with:\n  - Build settings: BLAS_INFO=mkl, TORCH_VERSION={version}, USE_CUDA=ON, \n")
        };
        assert_eq!(version_of(&about("2.13.0")), Some("2.13.0"));
        let told = check_version(&about("1.7.0")).unwrap_err().to_string();
        assert!(told.starts_with("libtorch 1.7.0 was found, this program was built against 2."), "{told}");
        assert!(check_version("").unwrap_err().to_string().contains("of no known version"));
        check_version(&beside::about()).expect("the libtorch of this build");
    }
}
