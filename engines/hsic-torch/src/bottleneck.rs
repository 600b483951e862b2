//! The HSIC objective and its gradient on a device, by the formulas of [`hsic::objective`].
//!
//! With T = (Kc + c I)^-1 by a Cholesky factor, and R_X = I - c T_X centered: nHSIC(Z, X) = tr R_X - c tr(T R_X),
//! nHSIC(Z, Y) = tr R_Y - c |N U|^2, G = c (w T R_X T - beta (T U)(T U)'), T = N'N with N the inverse factor. The CPU factors
//! R_X in turn, which needs a ridge that is found by trying; a device would have to be asked each time. Factors are not asked for
//! success either: a flag says whether a pivot fell below half the ridge, and then the gradient is 0.

use hsic::{Bottleneck, LabelFactor, LabelFit};
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::Learner as HostLearner;
use hsic_bottleneck::objective::Objective as HostObjective;
use hsic_bottleneck::rule_options::InputTerm;
use hsic_bottleneck::step_error::StepError;
use tch::{Kind, Tensor};

use crate::cross_entropy::{Told, classify};
use crate::device::Device;
use crate::factor::{Evaluated, InputSide, centered, cholesky, inverse};
use crate::fourier::Fourier;
use crate::learner::Learner;
use crate::left_out::LeftOut;
use crate::objective::{DeviceBatch, Objective, Signal, Site, Value, dot};

/// How K is formed.
pub(crate) enum Form {
    Exact,
    Fourier(Fourier),
}

/// The objective, the same for every block.
pub(crate) struct Hsic {
    options: Bottleneck,
    x: InputTerm,
    classifier: Option<(f64, HsicObjective)>,
    form: Form,
    device: Device,
    /// Of the batch: what its targets say, what the input says, and the labels.
    targets: Option<TargetSide>,
    input: Option<InputSide>,
    told: Option<Told>,
}

impl Hsic {
    /// With the numbers of `options`; with `classifier` (a weight, and the CPU's rule, which knows its first weights) beside it.
    pub(crate) fn new(
        options: Bottleneck,
        x: InputTerm,
        classifier: Option<(f64, HsicObjective)>,
        form: Form,
        device: &Device,
    ) -> Self {
        Self { options, x, classifier, form, device: device.clone(), targets: None, input: None, told: None }
    }

    fn has_input(&self) -> bool {
        self.x != InputTerm::None && self.options.x_weight > 0.0
    }

    fn input_side(&mut self, x: &Tensor) -> InputSide {
        let (options, device) = (self.options, &self.device);
        match &mut self.form {
            Form::Exact => exact_input(&options, x, device),
            Form::Fourier(fourier) => fourier.input(&options, x, device),
        }
    }

    fn evaluate(&mut self, z: &Tensor, input: Option<&InputSide>, measured: bool) -> Evaluated {
        let (options, device) = (self.options, &self.device);
        let Some(targets) = &self.targets else { unreachable!("a batch is prepared before a block") };
        match &mut self.form {
            Form::Exact => exact(&options, targets, input, z, measured),
            Form::Fourier(fourier) => fourier.evaluate(&options, &targets.u, input, z, measured, device),
        }
    }
}

impl Objective for Hsic {
    fn learners(&self, block: usize, last: bool, shape: Shape) -> Vec<HostLearner<f32>> {
        self.classifier.map_or_else(Vec::new, |(_, rule)| HostObjective::<f32>::learners(&rule, block, last, shape))
    }

    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError> {
        let factor = LabelFactor::<f32>::of(batch.host.targets(), self.options.sigma_labels, self.options.epsilon);
        let factor = factor.map_err(StepError::of_batch)?;
        let u = factor.u();
        let rows: Vec<f32> = (0..u.nrows()).flat_map(|i| (0..u.ncols()).map(move |j| u[(i, j)])).collect();
        let left_out = self.options.label_fit == LabelFit::LeaveOneOut;
        self.targets = Some(TargetSide {
            u: self.device.take_rows(u.nrows(), &rows),
            trace: factor.trace(),
            left_out: left_out.then(|| LeftOut::of(batch.host.targets(), &self.device)),
        });
        self.told = Some(Told::of(batch));
        self.input = (self.has_input() && self.x == InputTerm::Input).then(|| self.input_side(&batch.x));
        Ok(())
    }

    fn signal(
        &mut self,
        site: &Site<'_>,
        z: &Tensor,
        learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError> {
        let own = (self.has_input() && self.x == InputTerm::Block).then(|| self.input_side(site.x));
        let shared = self.input.take();
        let Evaluated { dz, terms, dead, lost } = self.evaluate(z, own.as_ref().or(shared.as_ref()), measured);
        self.input = shared;
        let (mut dz, options) = (dz, self.options);
        let mut value = terms.map(|[x, y]| {
            let loss = &x * options.x_weight - &y * options.beta;
            Value { loss, terms: [("nhsic_x", Some(x)), ("nhsic_y", Some(y))] }
        });
        if let (Some((weight, _)), Some(classifier), Some(told)) = (self.classifier, learners.first_mut(), &self.told) {
            let (own, loss) = classify(classifier, z, told, weight, measured);
            dz += own;
            if let (Some(value), Some(loss)) = (&mut value, loss) {
                value.loss = &value.loss + loss * weight;
            }
        }
        Ok(Signal { dz, value, dead: Some(dead), lost: Some(lost) })
    }

    fn learns_values(&self) -> bool {
        self.classifier.is_none()
    }
}

/// A symmetric matrix less the means of its rows and columns.
fn centered_twice(k: &Tensor) -> Tensor {
    let rows = k.mean_dim(1, true, Kind::Float);
    let all = rows.mean_dim(0, true, Kind::Float);
    k - &rows - rows.tr() + all
}

/// K - 1 of a sample, the centered rows, a flag: they vary; and the factor in the exponent.
struct Kernel {
    less_one: Tensor,
    centered: Tensor,
    varies: Tensor,
    factor: f64,
}

impl Kernel {
    fn of(v: &Tensor, sigma: f64) -> Self {
        let (centered, varies) = centered(v);
        let factor = 0.5 / (sigma * sigma * v.size()[1] as f64);
        let gram = centered.matmul(&centered.tr());
        let squares = gram.diagonal(0, 0, 1);
        let distances = squares.unsqueeze(1) + squares.unsqueeze(0) - gram * 2.0;
        let less_one = (distances.clamp_min(0.0) * -factor).expm1();
        Self { less_one, centered, varies, factor }
    }
}

/// R_X = I - c T_X, centered, since rounding along 1 is the largest error of all.
fn exact_input(options: &Bottleneck, x: &Tensor, device: &Device) -> InputSide {
    let m = x.size()[0];
    let ridge = options.epsilon * m as f64;
    let kernel = Kernel::of(x, options.sigma);
    let (l, lost) = cholesky(&centered_twice(&kernel.less_one), ridge);
    let n = inverse(&l);
    let r = n.tr().matmul(&n) * -ridge;
    let _ = r.diagonal(0, 0, 1).g_add_scalar_(1.0);
    let r = centered_twice(&r);
    // Of equal rows nothing depends on them.
    let r = r.where_self(&kernel.varies, &device.zeros(&[]));
    let trace = r.diagonal(0, 0, 1).sum(Kind::Double);
    InputSide { matrix: r, trace, lost: lost.logical_and(&kernel.varies) }
}

/// What the targets of a batch say.
struct TargetSide {
    /// R_Y = U U'.
    u: Tensor,
    /// Of R_Y.
    trace: f64,
    /// Where the dependence on them is judged one row left out at a time.
    left_out: Option<LeftOut>,
}

/// The objective at Z (m x d) with K itself.
fn exact(
    options: &Bottleneck,
    targets: &TargetSide,
    input: Option<&InputSide>,
    z: &Tensor,
    measured: bool,
) -> Evaluated {
    let ridge = options.epsilon * z.size()[0] as f64;
    let Kernel { less_one, centered, varies, factor } = Kernel::of(z, options.sigma);
    let (l, mut lost) = cholesky(&centered_twice(&less_one), ridge);
    let n = inverse(&l);
    let less_mean = |v: Tensor| &v - v.mean_dim(0, true, Kind::Float);
    let TargetSide { u, trace, left_out } = targets;
    let (mut g, y_term) = match left_out {
        Some(left_out) => left_out.fit(options.beta, &n),
        None => {
            let q = n.matmul(u);
            let tu = less_mean(n.tr().matmul(&q));
            (tu.matmul(&tu.tr()) * (-ridge * options.beta), dot(&q, &q) * -ridge + *trace)
        }
    };
    let mut x_term = None;
    if let Some(InputSide { matrix, trace, lost: earlier }) = input {
        let t = n.tr().matmul(&n);
        let once = t.matmul(matrix);
        if measured {
            x_term = Some(trace - once.diagonal(0, 0, 1).sum(Kind::Double) * ridge);
        }
        // T R_X T, symmetric but for rounding.
        let both = less_mean(less_mean(once.matmul(&t)).tr().contiguous());
        g += (&both + both.tr()) * (0.5 * ridge * options.x_weight);
        lost = lost.logical_or(earlier);
    }
    let w = &less_one * &g + &g;
    let sums = w.sum_dim_intlist(1, true, Kind::Float);
    let dz = (&centered * sums - w.matmul(&centered)) * (-4.0 * factor);
    let sound = varies.logical_and(&lost.logical_not());
    let dz = dz.where_self(&sound, &dz.zeros_like());
    let terms = measured.then(|| {
        let y = y_term * varies.to_kind(Kind::Double);
        let x = x_term.unwrap_or_else(|| y.zeros_like()) * varies.to_kind(Kind::Double);
        [x, y]
    });
    Evaluated { dz, terms, dead: varies.logical_not(), lost: lost.logical_and(&varies) }
}
