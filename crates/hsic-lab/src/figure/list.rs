//! Every figure.

use super::kind::Figure;
use super::{
    activations, cost, depths, format_epochs, gradients, memory, needle, outputs, parallel, resnet, sigmas,
    unformatted, units, widths,
};

/// Every figure, in the order in which they are made.
pub static FIGURES: &[&dyn Figure] = &[
    &activations::Activations,
    &depths::Depths,
    &needle::Needle,
    &outputs::Outputs,
    &unformatted::Unformatted,
    &format_epochs::FormatEpochs,
    &widths::Widths,
    &sigmas::Sigmas,
    &resnet::Resnet,
    &cost::Cost,
    &memory::Memory,
    &gradients::Gradients,
    &parallel::Parallel,
    &units::Units,
];
